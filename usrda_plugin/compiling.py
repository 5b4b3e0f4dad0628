"""Where the compiler of torch keeps what it makes. Imports nothing heavy."""

from __future__ import annotations

import os
from functools import cache
from tempfile import TemporaryDirectory

ENVIRONMENT = "TORCHINDUCTOR_CACHE_DIR"


def keep_compiled_code_private() -> None:
    """Let what this process compiles lie in a folder of its own, which goes with it, unless the user names a place.

    By default it is a folder of a known name among all users' temporary files: who makes it first can put in what is
    then unpickled and run.
    """
    if ENVIRONMENT not in os.environ:
        os.environ[ENVIRONMENT] = _folder().name


@cache
def _folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="usrda_compiled_")

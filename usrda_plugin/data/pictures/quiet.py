"""Words of libraries that are no message of ours, kept from the user."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_STDERR = 2


class _Silence:
    """Warnings are off as long as any thread is within; filters belong to the whole process."""

    within = 0
    filters: warnings.catch_warnings | None = None


@contextmanager
def without_warnings() -> Iterator[None]:
    """Ignore Python's warnings, in whatever thread."""
    with _lock:
        if not _Silence.within:
            _Silence.filters = warnings.catch_warnings()
            _Silence.filters.__enter__()
            warnings.simplefilter("ignore")
        _Silence.within += 1
    try:
        yield
    finally:
        with _lock:
            _Silence.within -= 1
            if not _Silence.within and _Silence.filters is not None:
                _Silence.filters.__exit__(None, None, None)


_redirection = threading.Lock()


@contextmanager
def without_foreign_lines() -> Iterator[None]:
    """Keep what libtiff and OpenCV print on the process's standard error to themselves; for rare formats alone."""
    with _redirection, without_warnings():
        try:
            kept = os.dup(_STDERR)
        except OSError:  # there is no standard error
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _STDERR)
        try:
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)
            os.close(nowhere)

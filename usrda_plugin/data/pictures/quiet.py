"""Words of libraries that are no message of ours: kept from the user, and heard, since some tell of damage."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_lock = threading.Lock()
_STDERR = 2
# libjpeg's, libpng's, OpenCV's and libtiff's; other lines are those of other threads
_OF_LIBRARIES = re.compile(
    rb"^(?:Corrupt JPEG data|Premature end of|Invalid (?:SOS|progressive|JPEG)|Inconsistent progression"
    rb"|Unsupported marker|Unknown Adobe|tempfile\.tif: |libpng |\[ ?(?:WARN|ERROR|INFO)|OpenCV"
    rb"|[\w.]*(?:TIFF|JPEG|Fax|ZIP|LZW|ZSTD|LZMA|PackBits)[\w.]*: ).*\n?",
    re.MULTILINE,
)


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


class Heard:
    """What libraries have printed, once the ``with`` is left."""

    text = b""


@contextmanager
def foreign_lines() -> Iterator[Heard]:
    """Catch what decoders print on the process's standard error; what other threads print meanwhile is passed on."""
    heard = Heard()
    with _redirection:
        paper = _paper()
        kept = _duplicate(_STDERR)
        os.dup2(paper, _STDERR)
        try:
            yield heard
        finally:
            if kept is None:
                os.close(_STDERR)
            else:
                os.dup2(kept, _STDERR)
                os.close(kept)
            size = os.fstat(paper).st_size
            if size:
                os.lseek(paper, 0, os.SEEK_SET)
                _sort(os.read(paper, size), heard)
            os.close(paper)


def _sort(lines: bytes, heard: Heard) -> None:
    heard.text = b"".join(_OF_LIBRARIES.findall(lines))
    rest = _OF_LIBRARIES.sub(b"", lines).strip(b"\n")
    if rest:
        with suppress(OSError):
            os.write(_STDERR, rest + b"\n")


def _paper() -> int:
    """A file of no name to write on."""
    if sys.platform == "linux":
        return os.memfd_create("stderr")
    with tempfile.TemporaryFile(buffering=0) as file:
        return os.dup(file.fileno())


def _duplicate(number: int) -> int | None:
    try:
        return os.dup(number)
    except OSError:  # there is no standard error
        return None

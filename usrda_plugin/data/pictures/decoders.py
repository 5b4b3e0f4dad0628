"""The decoders of OpenCV and Pillow, kept quiet: what they print is captured, what they stumble over is a Refusal."""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import IO, Any

import cv2
import numpy as np
from PIL import Image

from usrda_plugin.data.pictures.picture import Content, Planes, Refusal, damaged, unsupported, unsupported_depth

LARGEST = 2**30
"""Pixels of an image that OpenCV takes, unless $OPENCV_IO_MAX_IMAGE_PIXELS says another number."""
_TOO_LARGE = (
    "expected an image that OpenCV takes, found more pixels than OpenCV takes; cut it into several, or set"
    " OPENCV_IO_MAX_IMAGE_PIXELS"
)
_STDERR = 2
# libjpeg's, libpng's, OpenCV's and libtiff's; other lines are those of other threads
_OF_LIBRARIES = re.compile(
    rb"^(?:Corrupt JPEG data|Premature end of|Invalid (?:SOS|progressive|JPEG)|Inconsistent progression"
    rb"|Unsupported marker|Unknown Adobe|tempfile\.tif: |libpng |\[ ?(?:WARN|ERROR|INFO)|OpenCV"
    rb"|[\w.]*(?:TIFF|JPEG|Fax|ZIP|LZW|ZSTD|LZMA|PackBits)[\w.]*: ).*\n?",
    re.MULTILINE,
)

_redirection = threading.Lock()
if hasattr(os, "register_at_fork"):  # a child process shall begin with a standard error and a free lock
    os.register_at_fork(
        before=_redirection.acquire, after_in_parent=_redirection.release, after_in_child=_redirection.release
    )


class Captured:
    """What image libraries have printed, once the ``with`` is left."""

    text = b""


@contextmanager
def captured_stderr() -> Iterator[Captured]:
    """Capture what decoders print on the process's standard error; what other threads print meanwhile is passed on."""
    captured = Captured()
    with _redirection:
        buffer = _buffer(os.getpid())
        kept = _duplicate(_STDERR)
        os.dup2(buffer, _STDERR)
        try:
            yield captured
        finally:
            if kept is None:
                os.close(_STDERR)
            else:
                os.dup2(kept, _STDERR)
                os.close(kept)
            size = os.lseek(buffer, 0, os.SEEK_CUR)
            if size:
                captured.text = _of_libraries(_taken(buffer, size))


@cache
def _buffer(process: int) -> int:
    """A file of no name to write on, each process its own: what is forked would write into its parent's."""
    if sys.platform != "linux":
        with tempfile.TemporaryFile(buffering=0) as file:
            return os.dup(file.fileno())
    from fcntl import F_DUPFD_CLOEXEC, fcntl

    number = os.memfd_create("stderr")
    try:  # not at the place of a standard file that is closed: that may be opened again
        return fcntl(number, F_DUPFD_CLOEXEC, _STDERR + 1)
    finally:
        os.close(number)


def _taken(buffer: int, size: int) -> bytes:
    """Take out what has been written, so that the buffer is empty."""
    os.lseek(buffer, 0, os.SEEK_SET)
    lines = os.read(buffer, size)
    os.lseek(buffer, 0, os.SEEK_SET)
    os.ftruncate(buffer, 0)
    return lines


def _of_libraries(lines: bytes) -> bytes:
    rest = _OF_LIBRARIES.sub(b"", lines).strip(b"\n")
    if rest:
        with suppress(OSError):
            os.write(_STDERR, rest + b"\n")
    return b"".join(_OF_LIBRARIES.findall(lines))


def _duplicate(number: int) -> int | None:
    try:
        return os.dup(number)
    except OSError:  # there is no standard error
        return None


def decode_by_opencv(content: Content, flags: int) -> tuple[np.ndarray | None, bytes]:
    """Decode as ``flags`` say; None for what OpenCV cannot read. Second, what its libraries have printed.

    Raises Refusal for too many pixels.
    """
    try:
        with captured_stderr() as captured:
            levels: np.ndarray | None = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:  # of a header that says nonsense
        if "CV_IO_MAX_IMAGE" in str(error):
            raise Refusal(_TOO_LARGE) from None
        return None, captured.text
    return levels, captured.text


def refuse_large(height: int, width: int) -> None:
    """Raise Refusal for an image of more pixels than OpenCV takes."""
    if height * width > LARGEST and "OPENCV_IO_MAX_IMAGE_PIXELS" not in os.environ:
        raise Refusal(_TOO_LARGE)


_lock = threading.Lock()


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


@contextmanager
def opened(file: IO[bytes], kind: str) -> Iterator[Image.Image]:
    """Open a file as a ``kind``, as Pillow calls it, of whatever size. Raises Refusal where Pillow stumbles."""
    Image.init()
    # by its factory, since Image.open takes large photographs for an attack
    factory = Image.OPEN[kind][0]
    try:
        with without_warnings(), factory(file, "") as image:
            yield image
    except (Refusal, MemoryError):
        raise
    except Exception as error:  # a damaged file may make Pillow's readers stumble in any way
        raise damaged(kind, str(error)) from None


def decode_by_pillow(file: IO[bytes], kind: str) -> Planes:
    """Decode the first frame. Raises Refusal for what is damaged or of a colour model that is not read."""
    with opened(file, kind) as image:
        mode = image.mode
        found = planes_of(image)
    if found is None:
        is_deep = mode in ("I", "F")
        raise unsupported_depth("32 bit ones") if is_deep else unsupported(f"a {kind} of the colour model {mode}")
    return found


def planes_of(image: Image.Image) -> Planes | None:
    """Split what Pillow has decoded; None for a colour model that is none of ours."""
    image.load()
    if image.has_transparency_data and image.mode not in ("LA", "RGBA"):
        image = image.convert("LA" if image.mode in ("1", "L", "La") else "RGBA")
    elif image.mode in ("P", "CMYK"):
        image = image.convert("RGB")
    elif image.mode == "1":
        image = image.convert("L")
    levels: Any = np.asarray(image)
    if image.mode.startswith("I;16"):
        return Planes(levels.astype(np.uint16))
    if image.mode in ("L", "RGB"):
        return Planes(levels)
    if image.mode in ("LA", "RGBA"):
        colour = levels[..., 0] if image.mode == "LA" else levels[..., :3]
        return Planes(np.ascontiguousarray(colour), np.ascontiguousarray(levels[..., -1]))
    return None

"""What a picture is, what a file says of it before its pixels are read, and why a file is refused."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

Content = bytes | memoryview
ReadRange = Callable[[int, int], bytes]
"""Gives the bytes of a file from one place to another, fewer where it ends."""

SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations of pictures that are stored with height and width exchanged."""

# by EXIF orientation, what makes a picture upright
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda levels: levels[:, ::-1],
    3: lambda levels: levels[::-1, ::-1],
    4: lambda levels: levels[::-1],
    5: lambda levels: levels.swapaxes(0, 1),
    6: lambda levels: levels.swapaxes(0, 1)[:, ::-1],
    7: lambda levels: levels[::-1, ::-1].swapaxes(0, 1),
    8: lambda levels: levels.swapaxes(0, 1)[::-1],
}


class Metadata(NamedTuple):
    """What a file says beside its levels, as far as it still holds for an enlarged picture.

    ``exif``: a block that begins with its byte order, upright, without thumbnail; ``xmp``: a packet; ``dpi``: pixels an
    inch, (x, y); ``text``: keys and texts of a PNG, comments of other formats under "Comment"; ``gamma`` and
    ``chromaticities`` (white, red, green, blue; x and y of each): of a PNG, in units of 1/100000; ``intent``: sRGB's.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: tuple[tuple[str, str], ...] = ()
    gamma: int | None = None
    chromaticities: tuple[int, ...] | None = None
    intent: int | None = None


class Picture(NamedTuple):
    """An upright image: ``colour`` (h, w, 3) RGB or (h, w) gray, ``alpha`` (h, w) straight, both of 8 or 16 bits.

    ``profile``: its ICC colour profile, None where there is none. ``frames``: how many pictures its file has, of which
    this is the first. ``lossless``: it comes from a WebP without loss, so it is written as one.
    """

    colour: np.ndarray
    alpha: np.ndarray | None = None
    profile: bytes | None = None
    metadata: Metadata = Metadata()
    frames: int = 1
    lossless: bool = False


class Header(NamedTuple):
    """What a file says of its picture before its pixels: its format, (height, width) as stored, EXIF orientation.

    ``is_fast``: 8 bits and three channels of a kind that OpenCV reads right. ``detail``: the format's own.
    """

    format: str
    height: int
    width: int
    orientation: int = 1
    is_fast: bool = False
    detail: Any = None

    @property
    def upright_size(self) -> tuple[int, int]:
        """(height, width) in pixels of the upright picture."""
        return (self.width, self.height) if self.orientation in SIDEWAYS else (self.height, self.width)


class Planes(NamedTuple):
    """The levels of a file as they are stored, not yet upright: ``colour`` and straight ``alpha`` as in Picture."""

    colour: np.ndarray
    alpha: np.ndarray | None = None


def upright(levels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn levels (h, w) or (h, w, 3) as their EXIF orientation says."""
    turn = _UPRIGHT.get(orientation)
    return levels if turn is None else np.ascontiguousarray(turn(levels))


def unpremultiply(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Divide colours by the alpha (h, w) that multiplies them; black stays beneath alpha 0."""
    top = int(np.iinfo(colour.dtype).max)
    opacity = alpha.astype(np.uint32).reshape(alpha.shape + (1,) * (colour.ndim - 2))
    divided = (colour.astype(np.uint64) * top + opacity // 2) // np.maximum(opacity, 1)
    return np.minimum(divided, top).astype(colour.dtype)


def cmyk_to_rgb(inks: np.ndarray) -> np.ndarray:
    """Turn CMYK (h, w, 4), as many levels as dtype has, into RGB by the plain formula."""
    top = int(np.iinfo(inks.dtype).max)
    paper = top - inks.astype(np.uint64)
    return ((paper[..., :3] * paper[..., 3:] + top // 2) // top).astype(inks.dtype)


def as_unit(levels: np.ndarray) -> np.ndarray:
    """Scale levels of 8 or 16 bits to float32 in [0, 1]."""
    return levels.astype(np.float32) / np.float32(np.iinfo(levels.dtype).max)


def as_8_bit(levels: np.ndarray) -> np.ndarray:
    """Round levels of 16 bits to 8 bits; those of 8 bits stay as they are."""
    if levels.dtype == np.uint8:
        return levels
    return np.round(levels / 257).astype(np.uint8)


class RangeFile(io.RawIOBase):
    """A file over a function that reads ranges, such as slices of memory: nothing is copied that is not asked for."""

    def __init__(self, read: ReadRange, length: int) -> None:
        super().__init__()
        self._read, self._length, self._place = read, length, 0

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def seekable(self) -> bool:
        """Any place may be read."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._length}[whence]
        self._place = max(start + offset, 0)
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Copy what comes next."""
        found = self._read(self._place, self._place + len(buffer))
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)


CONVERT = "convert it to PNG"
COPY_AGAIN = "remove it or copy it again"


class UnreadableError(ValueError):
    """A file is no picture, or of a kind that is not read; ``reason`` is the message without the file's name."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.reason = reason


class Refusal(Exception):
    """What was expected, what was found and what to do; ``naming`` adds the file."""


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Turn Refusal into UnreadableError, which names ``where``."""
    try:
        yield
    except Refusal as refusal:
        raise UnreadableError(where, str(refusal)) from None


def damaged(kind: str, why: str = "") -> Refusal:
    """A file that begins as a ``kind`` and does not go on as one."""
    return Refusal(f"expected an image, found a damaged {kind}{f' ({why})' if why else ''}; {COPY_AGAIN}")


def truncated(kind: str) -> Refusal:
    """A file whose rest is missing."""
    article = "an" if kind[0] == "A" else "a"
    return Refusal(f"expected an image, found {article} {kind} that is cut off; {COPY_AGAIN}")


def unsupported(what: str, remedy: str = CONVERT) -> Refusal:
    """A whole file of a kind that is not read."""
    return Refusal(f"expected an image of a kind that is read, found {what}; {remedy}")


def unsupported_depth(found: str) -> Refusal:
    """Samples that are no unsigned integers of 8 or 16 bits."""
    return Refusal(f"expected 8 or 16 bits per channel, found {found}; convert it to 8 or 16 bits, as PNG say")

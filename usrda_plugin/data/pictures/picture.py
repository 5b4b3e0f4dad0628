"""What a picture is, and what a file says of it before its pixels are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

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

    ``is_quick``: 8 bits and three channels of a kind that OpenCV reads right. ``detail``: the format's own.
    """

    format: str
    height: int
    width: int
    orientation: int = 1
    is_quick: bool = False
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


def straightened(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Divide colours that were multiplied by their alpha, so that alpha is straight; black stays beneath alpha 0."""
    top = int(np.iinfo(colour.dtype).max)
    opacity = alpha.astype(np.uint32).reshape(alpha.shape + (1,) * (colour.ndim - 2))
    divided = (colour.astype(np.uint64) * top + opacity // 2) // np.maximum(opacity, 1)
    return np.minimum(divided, top).astype(colour.dtype)


def ink_to_rgb(inks: np.ndarray) -> np.ndarray:
    """Turn inks (h, w, 4) cyan, magenta, yellow, black, as many levels as dtype has, into RGB by the plain formula."""
    top = int(np.iinfo(inks.dtype).max)
    paper = top - inks.astype(np.uint64)
    return ((paper[..., :3] * paper[..., 3:] + top // 2) // top).astype(inks.dtype)

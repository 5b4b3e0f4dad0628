"""Files into pictures: one way in for training, LMDBs, BasicSR's data sets and ``usrda upscale``."""

from __future__ import annotations

import io
from io import BytesIO
from pathlib import Path
from typing import IO, Any, cast

import cv2
import numpy as np

from usrda_plugin.data.pictures.formats import Content, Format, header_of
from usrda_plugin.data.pictures.metadata import carried
from usrda_plugin.data.pictures.picture import Header, Picture, upright
from usrda_plugin.data.pictures.refusal import damaged, naming


class View(io.RawIOBase):
    """A file to read out of a memory view, of which nothing is copied that is not asked for."""

    def __init__(self, content: memoryview) -> None:
        super().__init__()
        self._content = content
        self._place = 0

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def seekable(self) -> bool:
        """Any place may be read."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: len(self._content)}[whence]
        self._place = max(start + offset, 0)
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Copy what comes next."""
        found = self._content[self._place : self._place + len(buffer)]
        buffer[: len(found)] = found
        self._place += len(found)
        return len(found)


def upright_size(file: IO[bytes], where: str) -> tuple[int, int]:
    """Return (height, width) of an image in pixels, upright as its EXIF tag says, from its header and its end.

    Raises UnreadableError that names ``where`` for what is empty, cut off, no image, of a kind that is not read, or of
    more pixels than OpenCV takes.
    """
    with naming(where):
        return header_of(file)[1].upright_size


def decode_colour(content: Content, where: str, order: int = cv2.IMREAD_COLOR_RGB) -> np.ndarray:
    """Decode a file to HWC colour, uint8 or uint16, upright; ``order``: OpenCV's flag for RGB or BGR.

    Alpha is dropped, where it was multiplied in after dividing by it, and gray repeated three times. Raises
    UnreadableError as ``upright_size``, and for what is damaged.
    """
    with naming(where):
        kind, header = header_of(_as_file(content))
        levels = kind.quick(content, header, order) if kind.quick and header.is_quick else None
        if levels is not None:
            return upright(levels, header.orientation)
        colour = _colour_and_alpha(content, kind, header)[0]
        if colour.ndim == 2:
            return np.dstack([colour] * 3)
        return colour if order == cv2.IMREAD_COLOR_RGB else cv2.cvtColor(colour, cv2.COLOR_RGB2BGR)


def decode_picture(content: Content, where: str) -> Picture:
    """Decode a file with all that it carries. Raises UnreadableError as ``decode_colour``."""
    with naming(where):
        kind, header = header_of(_as_file(content))
        colour, alpha = _colour_and_alpha(content, kind, header)
        found = carried(bytes(content), header)
        return Picture(colour, alpha, found.profile, found.metadata, found.frames, found.lossless)


def read_picture(file: Path) -> Picture:
    """Read an image file. Raises OSError, and UnreadableError as ``decode_colour``, naming it."""
    return decode_picture(file.read_bytes(), str(file))


def _colour_and_alpha(content: Content, kind: Format, header: Header) -> tuple[np.ndarray, np.ndarray | None]:
    colour, alpha = kind.planes(content, header)
    if colour.shape[:2] != (header.height, header.width):
        raise damaged(header.format)
    colour = upright(colour, header.orientation)
    return colour, None if alpha is None else upright(alpha, header.orientation)


def _as_file(content: Content) -> IO[bytes]:
    return BytesIO(content) if isinstance(content, bytes) else cast(IO[bytes], View(content))

"""How large an image is, and what forbids its use, by the first and the last bytes of its file."""

from __future__ import annotations

import io
import zlib
from typing import IO, Any

from PIL import Image

from usrda_plugin.data.decoding import decode, of_any_size, refuse_cut_off, refuse_large
from usrda_plugin.data.wholeness import Read

ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)  # EXIF
_TAIL = 4096
_WIDTH, _HEIGHT, _BITS, _KIND_OF_SAMPLE, _PLACES, _LENGTHS = 256, 257, 258, 339, (273, 324), (279, 325)  # TIFF
_UNSIGNED = 1


def upright_size(file: IO[bytes], where: str) -> tuple[int, int]:
    """Return (height, width) of an image in pixels, upright as its EXIF tag says.

    Two reads where Pillow knows the format; else it is decoded. Raises ValueError that names ``where`` for what is
    empty, cut off, no image, of more pixels than OpenCV takes, or not of 8 or 16 bits.
    """
    length = file.seek(0, io.SEEK_END)

    def read(start: int, stop: int) -> bytes:
        file.seek(start)
        return file.read(stop - start)

    refuse_cut_off(read, length, where)
    file.seek(0)
    try:
        with of_any_size(), Image.open(file) as image:
            # of a TIFF newer Pillows say the upright size
            tags = getattr(image, "tag_v2", {})
            height, width = tags.get(_HEIGHT, image.height), tags.get(_WIDTH, image.width)
            sideways = _orientation(image, read, length) in SIDEWAYS
            fault = _fault_of_tiff(image, length) if image.format == "TIFF" else ""
    except Exception:  # a damaged file may make Pillow's readers stumble in any way, and OpenCV knows other formats
        height, width, _ = decode(read(0, length), where).shape
        return height, width
    refuse_large(height, width, where)
    if fault:
        raise ValueError(f"cannot read {where} as an image: {fault}")
    return (width, height) if sideways else (height, width)


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


def _orientation(image: Image.Image, read: Read, length: int) -> int | None:
    if image.format != "PNG" or "exif" in image.info:
        found: int | None = image.getexif().get(ORIENTATION)
        return found
    # in a PNG the tag may stand behind the pixels, and Pillow would decode them on its way there
    tail = read(max(length - _TAIL, 0), length)
    start = tail.rfind(b"eXIf")
    body = tail[start : start + 4 + int.from_bytes(tail[max(start - 4, 0) : start], "big")]
    if start < 0 or zlib.crc32(body).to_bytes(4, "big") != tail[start + len(body) : start + len(body) + 4]:
        return None
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + body[4:])
    return exif.get(ORIENTATION)


def _fault_of_tiff(image: Any, length: int) -> str:
    tags = image.tag_v2
    kinds = set(tags.get(_KIND_OF_SAMPLE, ())) | {_UNSIGNED}
    if max(tags.get(_BITS, (1,))) > 16 or kinds != {_UNSIGNED}:
        return "expected 8 or 16 bits per channel, found signed or deeper ones; convert it to PNG"
    for places, lengths in zip(_PLACES, _LENGTHS, strict=True):
        ends = (place + size for place, size in zip(tags.get(places, ()), tags.get(lengths, ()), strict=False))
        if max(ends, default=0) > length:
            return "it is cut off; remove or mend it"
    return ""

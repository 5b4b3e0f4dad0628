"""PBM, PGM and PPM, of text or of bytes, with any largest level."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np

from usrda_plugin.data.pictures.picture import Content, Header, Planes, ReadRange, damaged, truncated

_SPACE = rb"(?:\s|#[^\r\n]*[\r\n])+"
_NUMBER = rb"(\d{1,9})"
_BITMAP = re.compile(rb"P[14]" + _SPACE + _NUMBER + _SPACE + _NUMBER + rb"(?:\s|#[^\r\n]*[\r\n])")
_LEVELS = re.compile(rb"P[2356]" + (_SPACE + _NUMBER) * 3 + rb"(?:\s|#[^\r\n]*[\r\n])")
_HEAD = 4096  # bytes that a header and its comments may take
_VIEWED = re.compile(rb"P6\s(\d{1,9})\s(\d{1,9})\s(255|65535)\s")


class Detail(NamedTuple):
    """The kind, ``1`` to ``6``, the largest level, and where the pixels begin."""

    kind: int
    largest: int
    start: int

    @property
    def channels(self) -> int:
        """How many samples a pixel has."""
        return 3 if self.kind in (3, 6) else 1


def read_header(read: ReadRange, length: int) -> Header:
    """Read the header. Raises Refusal for one that says what cannot be, and where pixels are missing."""
    head = read(0, min(_HEAD, length))
    found = (_BITMAP if head[1:2] in b"14" else _LEVELS).match(head)
    if found is None:
        raise damaged("PNM", "its header")
    width, height, *more = (int(number) for number in found.groups())
    detail = Detail(int(head[1:2]), more[0] if more else 1, found.end())
    if not height * width or not 1 <= detail.largest <= 65535:
        raise damaged("PNM", "its header")
    if detail.kind >= 4 and detail.start + _bytes(height, width, detail) > length:
        raise truncated("PNM")
    return Header("PPM", height, width, detail=detail)


def decode(content: Content, header: Header) -> Planes:
    """Read all levels, spread over 8 or 16 bits. Raises Refusal for missing ones and for what is no number."""
    detail: Detail = header.detail
    count = header.height * header.width * detail.channels
    if detail.kind < 4:
        samples = _of_text(bytes(content[detail.start :]), count, is_bitmap=detail.kind == 1)
    elif detail.kind == 4:
        row = (header.width + 7) // 8
        packed = np.frombuffer(content, np.uint8, header.height * row, detail.start).reshape(header.height, row)
        samples = np.unpackbits(packed, axis=1, count=header.width).reshape(-1)
    else:
        samples = np.frombuffer(content, ">u2" if detail.largest > 255 else np.uint8, count, detail.start)
    shape = (header.height, header.width, 3)[: 2 if detail.channels == 1 else 3]
    return Planes(_spread(samples, detail).reshape(shape))


def uncompressed(content: Content) -> np.ndarray | None:
    """View the pixels of a PPM file where they lie, not writable: HWC RGB, uint8 or big-endian uint16.

    Gives None for all other formats, for a PPM that is cut off, and for its rarer kinds, which ``decode`` may know.
    """
    header = _VIEWED.match(content)
    if header is None:
        return None
    width, height, largest = (int(number) for number in header.groups())
    levels = np.dtype(np.uint8 if largest == 255 else ">u2")
    if len(content) < header.end() + height * width * 3 * levels.itemsize:
        return None
    pixels = np.frombuffer(content, levels, count=height * width * 3, offset=header.end())
    pixels.setflags(write=False)
    return pixels.reshape(height, width, 3)


def _bytes(height: int, width: int, detail: Detail) -> int:
    if detail.kind == 4:
        return height * ((width + 7) // 8)
    return height * width * detail.channels * (2 if detail.largest > 255 else 1)


def _of_text(text: bytes, count: int, *, is_bitmap: bool) -> np.ndarray:
    words = re.sub(rb"#[^\r\n]*", b"", text)
    try:  # the digits of a bitmap may stand without spaces between them
        numbers = list(b"".join(words.split()).decode("ascii")) if is_bitmap else words.split()
        samples = np.array(numbers[:count]).astype(np.int64)
    except ValueError:
        raise damaged("PNM", "a level that is no number") from None
    if len(samples) < count:
        raise truncated("PNM")
    return samples


def _spread(samples: np.ndarray, detail: Detail) -> np.ndarray:
    if detail.kind in (1, 4):
        return np.where(samples, 0, 255).astype(np.uint8)  # 1 is black
    if samples.size and int(samples.max()) > detail.largest:
        raise damaged("PNM", f"a level above the largest, {detail.largest}")
    top = 255 if detail.largest <= 255 else 65535
    if detail.largest == top:
        return samples.astype(np.uint8 if top == 255 else np.uint16)
    return ((samples.astype(np.uint64) * top + detail.largest // 2) // detail.largest).astype(
        np.uint8 if top == 255 else np.uint16
    )

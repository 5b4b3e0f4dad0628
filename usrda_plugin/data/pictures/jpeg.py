"""JPEG: its segments, whether it is whole, and its levels."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import NamedTuple

import cv2
import numpy as np

from usrda_plugin.data.pictures import pillow
from usrda_plugin.data.pictures.opencv import decode_by_opencv
from usrda_plugin.data.pictures.picture import Header, Planes
from usrda_plugin.data.pictures.refusal import cut_off, damaged, not_levels, unread
from usrda_plugin.data.pictures.tags import Read, orientation_of

END = b"\xff\xd9"
_SCAN, _END, _EXIF = 0xDA, 0xD9, 0xE1
_FRAMES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)  # baseline, extended, progressive, and these with arithmetic coding
_FRAMES_UNREAD = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC} - set(_FRAMES)
_BETWEEN_SCANS = {0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)}
_GRAY = 128  # what libjpeg makes of blocks that are missing
_TAIL = 32
_OTHER = bytes(0x13 + 7 * number % 200 for number in range(64))


class Detail(NamedTuple):
    """How many channels, and where the first scan's segment begins."""

    channels: int
    scan: int


def look(read: Read, length: int) -> Header:
    """Read the segments before the first scan. Raises Refused where they are damaged or of a kind that is not read."""
    exif, frame, scan = b"", b"", 0
    for kind, place, size in _segments(read):
        if kind in _FRAMES_UNREAD:
            raise unread("a JPEG that is lossless or hierarchical")
        if kind in _FRAMES:
            frame = read(place + 4, place + 10)
        elif kind == _EXIF and not exif and read(place + 4, place + 10) == b"Exif\0\0":
            exif = read(place + 10, place + 2 + size)
        scan = place
    if len(frame) < 6:
        raise damaged("JPEG", "its header")
    bits, height, width, channels = struct.unpack(">BHHB", frame)
    if bits != 8:
        raise not_levels(f"{bits} bit ones in a JPEG")
    if channels not in (1, 3, 4) or not height * width:
        raise damaged("JPEG", "its header")
    return Header("JPEG", height, width, orientation_of(exif), channels == 3, Detail(channels, scan))


def _segments(read: Read) -> Iterator[tuple[int, int, int]]:
    """The kind, place and length of each segment up to the first scan's. Raises Refused where they break off."""
    place, kind = 2, 0
    while kind != _SCAN:
        mark = read(place, place + 4)
        if len(mark) < 4:
            raise cut_off("JPEG")
        if mark[0] != 0xFF:
            raise damaged("JPEG", "its segments")
        kind, size = mark[1], int.from_bytes(mark[2:], "big")
        if kind == 0xFF:  # a byte that fills
            place += 1
            continue
        yield kind, place, size
        place += 2 + max(size, 2)


def has_end(read: Read, length: int) -> bool:
    """Tell whether the end mark is there: by the last two bytes, else behind the scans, before a phone's film."""
    if read(max(length - 2, 0), length) == END:
        return True
    content = read(0, length)
    try:
        start = look(read, length).detail.scan
    except Exception:  # what is wrong with its segments is said when they are read
        return content.find(END) >= 0
    return end_of_scans(content, start) is not None


def end_of_scans(content: bytes | memoryview, scan: int) -> int | None:
    """Find the end mark behind the scans; None where another mark, as of another file, or nothing follows them."""
    levels = np.frombuffer(content, np.uint8)
    marks = np.flatnonzero(levels[:-1] == 0xFF)
    kinds = levels[marks + 1]
    is_mark = (kinds != 0) & (kinds != 0xFF) & ((kinds < 0xD0) | (kinds > 0xD7))  # no stuffing, no restart
    behind = scan
    for place, kind in zip(marks[is_mark].tolist(), kinds[is_mark].tolist(), strict=True):
        if place < behind:
            continue
        if kind == _END:
            return int(place)
        if kind not in _BETWEEN_SCANS:
            return None
        behind = place + 2 + int.from_bytes(bytes(content[place + 2 : place + 4]), "big")
    return None


def quick(content: bytes | memoryview, header: Header, order: int) -> np.ndarray | None:
    """Decode three channels in OpenCV's ``order``. Raises Refused where the rest is missing."""
    end = _end(content, header)
    levels = decode_by_opencv(content, order | cv2.IMREAD_IGNORE_ORIENTATION)
    if levels is not None:
        _refuse_missing_rest(content, end, levels)
    return levels


def planes(content: bytes | memoryview, header: Header) -> Planes:
    """Decode gray, colour or inks. Raises Refused for what is damaged."""
    end = _end(content, header)
    found = pillow.planes(BytesIO(content), "JPEG")
    _refuse_missing_rest(content, end, found.colour)
    return found


def _end(content: bytes | memoryview, header: Header) -> int:
    end = end_of_scans(content, header.detail.scan)
    if end is None:
        raise damaged("JPEG", "its scans do not end as they should; a part is missing or of another file")
    return end


def _refuse_missing_rest(content: bytes | memoryview, end: int, levels: np.ndarray) -> None:
    """Raise Refused where scans end too early, or go on behind the last block: libjpeg tells it only to the screen."""
    tail = bytes(content[end - _TAIL : end])
    if (levels[-1, -1] == _GRAY).all():
        # had all blocks been there, what follows them would change nothing
        if _differs(levels, b"".join((content[:end], _OTHER, END))):
            raise cut_off("JPEG")
    elif tail == tail[:1] * _TAIL and not _differs(levels, b"".join((content[: end - _TAIL], END))):
        raise damaged("JPEG", "its end is of another file, or was never written")


def _differs(levels: np.ndarray, content: bytes) -> bool:
    return not np.array_equal(pillow.planes(BytesIO(content), "JPEG").colour, levels)

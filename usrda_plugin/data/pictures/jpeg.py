"""JPEG: its segments, whether it is whole, and its levels."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from io import BytesIO
from typing import NamedTuple

import cv2
import numpy as np

from usrda_plugin.data.pictures.decoders import decode_by_opencv, decode_by_pillow
from usrda_plugin.data.pictures.picture import (
    Content,
    Header,
    Planes,
    ReadRange,
    Refusal,
    damaged,
    truncated,
    unsupported,
    unsupported_depth,
)
from usrda_plugin.data.pictures.tags import orientation_of

END = b"\xff\xd9"
_SCAN, _END, _EXIF = 0xDA, 0xD9, 0xE1
_FRAMES = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)  # baseline, extended, progressive, and these with arithmetic coding
_FRAMES_UNREAD = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC} - set(_FRAMES)
_BETWEEN_SCANS = {0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)}
_TAIL = 32
# bytes between the last block and the end mark do no harm: some cameras leave a few there
_DAMAGE = re.compile(rb"premature end|bad Huffman|bad arithmetic|instead of RST|Premature end|marker 0x(?!d9)")
_LEFT_OVER = re.compile(rb"(\d+) extraneous bytes before marker 0xd9")
_MOST_LEFT_OVER = 50  # of this many bytes one: of more, blocks took fewer bytes than they were written in


class Detail(NamedTuple):
    """How many channels, and where the first scan's segment begins."""

    channels: int
    scan: int


def read_header(read: ReadRange, length: int) -> Header:
    """Read the segments before the first scan, and the end mark: the last two bytes, or before a phone's film.

    Raises Refusal for what is truncated, damaged or of a kind that is not read.
    """
    if read(max(length - 2, 0), length) == END:
        return _header(read)
    content = read(0, length)
    try:
        header = _header(read)
    except Refusal:
        if END not in content:
            raise truncated("JPEG") from None
        raise
    if end_of_scans(content, header.detail.scan) is None:
        raise truncated("JPEG")
    return header


def _header(read: ReadRange) -> Header:
    exif, frame, scan = b"", b"", 0
    for kind, place, size in _segments(read):
        if kind in _FRAMES_UNREAD:
            raise unsupported("a JPEG that is lossless or hierarchical")
        if kind in _FRAMES:
            frame = read(place + 4, place + 10)
        elif kind == _EXIF and not exif and read(place + 4, place + 10) == b"Exif\0\0":
            exif = read(place + 10, place + 2 + size)
        scan = place
    if len(frame) < 6:
        raise damaged("JPEG", "its header")
    bits, height, width, channels = struct.unpack(">BHHB", frame)
    if bits != 8:
        raise unsupported_depth(f"{bits} bit ones in a JPEG")
    if channels not in (1, 3, 4) or not height * width:
        raise damaged("JPEG", "its header")
    return Header("JPEG", height, width, orientation_of(exif), channels == 3, Detail(channels, scan))


def _segments(read: ReadRange) -> Iterator[tuple[int, int, int]]:
    """The kind, place and length of each segment up to the first scan's. Raises Refusal where they break off."""
    place, kind = 2, 0
    while kind != _SCAN:
        mark = read(place, place + 4)
        if len(mark) < 4:
            raise truncated("JPEG")
        if mark[0] != 0xFF:
            raise damaged("JPEG", "its segments")
        kind, size = mark[1], int.from_bytes(mark[2:], "big")
        if kind == 0xFF:  # a byte that fills
            place += 1
            continue
        yield kind, place, size
        place += 2 + max(size, 2)


def end_of_scans(content: Content, scan: int) -> int | None:
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


def decode_fast(content: Content, header: Header, order: int) -> np.ndarray | None:
    """Decode three channels in OpenCV's ``order``. Raises Refusal for what is damaged."""
    flags = order | cv2.IMREAD_IGNORE_ORIENTATION
    levels, printed = decode_by_opencv(content, flags)
    if printed:
        _refuse_damage(printed, len(content))
    end = _end(content, header)
    tail = bytes(content[end - _TAIL : end])
    if tail == tail[:1] * _TAIL:
        _, printed = decode_by_opencv(b"".join((content[: end - _TAIL], END)), flags)
        if not _DAMAGE.search(printed):  # these bytes are not of the picture, since it lacks nothing without them
            raise damaged("JPEG", "its end is of another file, or was never written")
    return levels


def decode(content: Content, header: Header) -> Planes:
    """Decode gray, colour or inks. Raises Refusal for what is damaged."""
    channels = header.detail.channels
    levels = decode_fast(content, header, cv2.IMREAD_GRAYSCALE if channels == 1 else cv2.IMREAD_COLOR_RGB)
    if levels is None or channels == 4:  # OpenCV has a formula of its own for inks
        return decode_by_pillow(BytesIO(content), "JPEG")
    return Planes(levels)


def _refuse_damage(printed: bytes, length: int) -> None:
    """Raise Refusal where libjpeg has filled in what is missing, which it tells only the screen."""
    left_over = _LEFT_OVER.search(printed)
    if _DAMAGE.search(printed) or (left_over and int(left_over[1]) > length // _MOST_LEFT_OVER):
        raise damaged("JPEG", "its scans do not end as they should; a part is missing or of another file")


def _end(content: Content, header: Header) -> int:
    if content[-2:] == END:
        return len(content) - 2
    end = end_of_scans(content, header.detail.scan)
    if end is None:
        raise truncated("JPEG")
    return end

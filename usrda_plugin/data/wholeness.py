"""Whether an image file has its end, by its first and last bytes.

Older OpenCVs make an image with a gray rest of a JPEG or PNG that is cut off. A PNG has checksums, by which its decoder
finds every flipped bit; JPEG, WebP, BMP, TIFF and PPM have none, so that a flipped bit may give another image.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

Read = Callable[[int, int], bytes]
"""Gives the bytes from one place to another."""

HEAD = 64
_JPEG_END = b"\xff\xd9"
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_START_OF_SCAN = 0xDA
_PPM_HEADER = re.compile(rb"P([56])\s(\d{1,9})\s(\d{1,9})\s(\d{1,5})\s")


def is_cut_off(read: Read, length: int) -> bool:
    """Tell whether a file of ``length`` bytes lacks its end; of a format without a mark of its end, False.

    Only where more follows the end, as the film behind a phone's photograph, is the file read as a whole.
    """
    head = read(0, min(HEAD, length))
    checks = (check for start, check in _HAS_END if head.startswith(start))
    check = next(checks, None)
    return check is not None and not check(head, read, length)


def _has_jpeg_end(head: bytes, read: Read, length: int) -> bool:
    if read(max(length - 2, 0), length) == _JPEG_END:
        return True
    content = read(0, length)
    return content.find(_JPEG_END, _first_scan(content)) >= 0


def _first_scan(content: bytes) -> int:
    """Where the pixels begin: thumbnails in the segments before have ends of their own."""
    place = 2
    while content[place : place + 1] == b"\xff" and content[place + 1 : place + 2] != bytes([_START_OF_SCAN]):
        place += 2 + max(int.from_bytes(content[place + 2 : place + 4], "big"), 1)
    return place


def _has_png_end(head: bytes, read: Read, length: int) -> bool:
    if read(max(length - len(_PNG_END), 0), length) == _PNG_END:
        return True
    place = 8
    while place + 12 <= length:
        size, kind = struct.unpack(">I4s", read(place, place + 8))
        if kind == b"IEND":
            return True
        place += 12 + size
    return False


def _has_webp_end(head: bytes, read: Read, length: int) -> bool:
    return int.from_bytes(head[4:8], "little") + 8 <= length


def _has_bmp_end(head: bytes, read: Read, length: int) -> bool:
    if len(head) < 34:
        return False
    pixels, size_of_rest, width, height, _, bits, packing = struct.unpack("<IIiiHHI", head[10:34])
    if size_of_rest < 40 or packing not in (0, 3):  # an older kind, or compressed
        return True
    return pixels + (width * bits + 31) // 32 * 4 * abs(height) <= length


def _has_ppm_end(head: bytes, read: Read, length: int) -> bool:
    header = _PPM_HEADER.match(head)
    if header is None:  # a rarer kind, with comments
        return True
    kind, width, height, largest = (int(number) for number in header.groups())
    levels = width * height * (3 if kind == 6 else 1)
    return header.end() + levels * (1 if largest < 256 else 2) <= length


def _has_tiff_end(head: bytes, read: Read, length: int) -> bool:
    """Whether the table of contents lies in the file, which most programs write last."""
    order = "little" if head[:2] == b"II" else "big"
    return len(head) >= 8 and int.from_bytes(head[4:8], order) < length  # type: ignore[arg-type]


_HAS_END: tuple[tuple[bytes, Callable[[bytes, Read, int], bool]], ...] = (
    (b"\xff\xd8\xff", _has_jpeg_end),
    (b"\x89PNG\r\n\x1a\n", _has_png_end),
    (b"RIFF", _has_webp_end),
    (b"BM", _has_bmp_end),
    (b"P5", _has_ppm_end),
    (b"P6", _has_ppm_end),
    (b"II*\0", _has_tiff_end),
    (b"MM\0*", _has_tiff_end),
    (b"\0\0\0\x0cjP  ", _has_jpeg_end),
)

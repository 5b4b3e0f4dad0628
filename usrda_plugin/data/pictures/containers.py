"""WebP, JPEG 2000, AVIF, GIF and BMP: what Pillow does not say of them, and whether they are whole."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import IO

import cv2

from usrda_plugin.data.pictures import pillow
from usrda_plugin.data.pictures.opencv import decode_by_opencv
from usrda_plugin.data.pictures.picture import Header, Planes
from usrda_plugin.data.pictures.quiet import foreign_lines
from usrda_plugin.data.pictures.refusal import cut_off, damaged, not_levels
from usrda_plugin.data.pictures.tags import Read

_CODESTREAM = b"\xff\x4f\xff\x51"
_JP2_HEAD = 2**16
_NEVER_WRITTEN = 32  # zeros that no packing of these ends with


def refuse_cut_webp(read: Read, length: int) -> None:
    """Raise Refused where a WebP is shorter than it says, or ends in zeros."""
    end = int.from_bytes(read(4, 8), "little") + 8
    if end > length or not any(read(max(end - _NEVER_WRITTEN, 0), end)):
        raise cut_off("WebP")


def is_lossless_webp(content: bytes) -> bool:
    """Tell whether the (first) picture of a WebP is coded without loss."""
    place = 12
    while place + 8 <= len(content):
        kind, size = struct.unpack_from("<4sI", content, place)
        if kind in (b"VP8 ", b"VP8L"):
            return bool(kind == b"VP8L")
        # a frame of an animation has its picture within
        place += 8 + (16 if kind == b"ANMF" else size + size % 2)
    return False


def refuse_cut_bmp(read: Read, length: int) -> None:
    """Raise Refused where a BMP of an uncompressed kind is shorter than its pixels."""
    head = read(0, 34)
    if len(head) < 34:
        raise cut_off("BMP")
    pixels, size_of_rest, width, height, _, bits, packing = struct.unpack("<IIiiHHI", head[10:34])
    if size_of_rest < 40 or packing not in (0, 3):  # an older kind, or compressed
        return
    if pixels + (width * bits + 31) // 32 * 4 * abs(height) > length:
        raise cut_off("BMP")


def refuse_cut_avif(read: Read, length: int) -> None:
    """Raise Refused where a box of an AVIF is longer than the file, or its end was never written."""
    place = 0
    while place + 8 <= length:
        size = int.from_bytes(read(place, place + 4), "big")
        if size == 1:
            size = int.from_bytes(read(place + 8, place + 16), "big")
        place = length if size == 0 else place + max(size, 8)
    if place > length or not any(read(max(length - _NEVER_WRITTEN, 0), length)):
        raise cut_off("AVIF")


def refuse_cut_gif(read: Read, length: int) -> None:
    """Raise Refused where a GIF lacks its end, or the end lies far before zeros."""
    if b";" not in read(max(length - 2, 0), length):
        content = read(0, length).rstrip(b"\0")
        if content[-1:] != b";":
            raise cut_off("GIF")


def refuse_cut_jpeg2000(read: Read, length: int) -> None:
    """Raise Refused where a JPEG 2000 lacks its end."""
    if read(max(length - 2, 0), length) != b"\xff\xd9" and b"\xff\xd9" not in read(0, length):
        raise cut_off("JPEG 2000")


def look_jpeg2000(file: IO[bytes]) -> Header:
    """Read the header. Raises Refused for other levels than 8 or 16 bits."""
    file.seek(0)
    head = file.read(_JP2_HEAD)
    start = head.find(_CODESTREAM)
    if start < 0 or len(head) < start + 43:
        raise damaged("JPEG 2000", "its header")
    channels, depth = int.from_bytes(head[start + 40 : start + 42], "big"), head[start + 42]
    bits = (depth & 0x7F) + 1
    if depth & 0x80 or bits not in (8, 16) or (bits == 16 and channels not in (1, 3)):
        raise not_levels(f"{bits} bit {'signed ' if depth & 0x80 else ''}ones in {channels} channels of a JPEG 2000")
    file.seek(0)
    return pillow.look(file, "JPEG2000")._replace(detail=bits == 16 and channels == 3)


def planes_jpeg2000(content: bytes | memoryview, header: Header) -> Planes:
    """Decode all channels; by OpenCV where Pillow would leave 8 bits of 16."""
    if not header.detail:
        return pillow.planes(BytesIO(content), "JPEG2000")
    with foreign_lines():
        levels = decode_by_opencv(content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if levels is None or levels.dtype != "uint16":
        raise damaged("JPEG 2000")
    return Planes(cv2.cvtColor(levels, cv2.COLOR_BGR2RGB))

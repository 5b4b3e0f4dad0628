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

_CODESTREAM, _CODESTREAM_END = b"\xff\x4f\xff\x51", b"\xff\xd9"
_PIXELS_A_ZERO = 16 * 16 * 16
_WEBP_PIXELS = (b"VP8 ", b"VP8L", b"ALPH", b"ANMF")
_JP2_HEAD = 2**16
_NEVER_WRITTEN = 32  # zeros that no packing of these ends with


def refuse_cut_webp(read: Read, length: int) -> None:
    """Raise Refused where a WebP is shorter than it says, or its pixels end in zeros."""
    end = int.from_bytes(read(4, 8), "little") + 8
    place = 12
    while place + 8 <= end <= length:
        kind, size = struct.unpack("<4sI", read(place, place + 8))
        start, place = place + 8, place + 8 + size + size % 2
        if not kind.strip(b"\0"):
            break
        most = _NEVER_WRITTEN + _zeros_of_flat(read, kind, start)
        if kind in _WEBP_PIXELS and _is_unwritten(read, start + size, most):
            break
    else:
        if end <= length:
            return
    raise cut_off("WebP")


def _zeros_of_flat(read: Read, kind: bytes, start: int) -> int:
    """How many zeros one colour all over may end with: lossy WebP takes 0.025 bytes for 16 x 16 such pixels."""
    if kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack("<HH", read(start + 6, start + 10)))
    elif kind == b"ANMF":
        width, height = (int.from_bytes(read(start + at, start + at + 3), "little") + 1 for at in (6, 9))
    else:
        return 0
    return width * height // _PIXELS_A_ZERO


def _is_unwritten(read: Read, end: int, zeros: int = _NEVER_WRITTEN) -> bool:
    return not any(read(max(end - zeros, 0), end))


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
    """Raise Refused where a box of an AVIF is longer than the file, or its pixels end in zeros; zeros may follow it."""
    place = 0
    while place + 8 <= length:
        size, kind = struct.unpack(">I4s", read(place, place + 8))
        if not size and not any(kind):
            break
        if size == 1:
            size = int.from_bytes(read(place + 8, place + 16), "big")
        place = length if size == 0 else place + max(size, 8)
        if kind == b"mdat" and _is_unwritten(read, place):
            raise cut_off("AVIF")
    if place > length or any(read(place, length)):
        raise cut_off("AVIF")


def refuse_cut_gif(read: Read, length: int) -> None:
    """Raise Refused where the blocks of a GIF do not lead to its end; more may follow that."""
    if read(max(length - 1, 0), length) == b";":
        return
    content = read(0, length)
    place = 13 + _palette_bytes(content[10])
    while content[place : place + 1] in (b"!", b","):
        # an extension has its kind, a picture its place, size and palette, before its blocks
        place += 2 if content[place] == ord("!") else 11 + _palette_bytes(content[place + 9])
        while place < length and content[place]:
            place += 1 + content[place]
        place += 1
    if content[place : place + 1] != b";":
        raise cut_off("GIF")


def _palette_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def refuse_cut_jpeg2000(read: Read, length: int) -> None:
    """Raise Refused where a JPEG 2000 lacks its end, or has zeros before it."""
    is_last = read(max(length - 2, 0), length) == _CODESTREAM_END
    if _is_unwritten(read, length - 2) if is_last else _CODESTREAM_END not in read(0, length):
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

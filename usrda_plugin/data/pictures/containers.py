"""WebP, JPEG 2000, AVIF, GIF and BMP: decoded by Pillow once they are seen to be whole, which Pillow does not tell."""

from __future__ import annotations

import struct
from collections.abc import Callable
from io import BytesIO
from typing import IO, cast

import cv2

from usrda_plugin.data.pictures.decoders import decode_by_opencv, decode_by_pillow, opened
from usrda_plugin.data.pictures.picture import (
    Content,
    Header,
    Planes,
    RangeFile,
    ReadRange,
    damaged,
    truncated,
    unsupported_depth,
)
from usrda_plugin.data.pictures.tags import orientation_of

_CODESTREAM, _CODESTREAM_END = b"\xff\x4f\xff\x51", b"\xff\xd9"
_PIXELS_A_ZERO = 16 * 16 * 16
_WEBP_PIXELS = (b"VP8 ", b"VP8L", b"ALPH", b"ANMF")
_JP2_HEAD = 2**16
_NEVER_WRITTEN = 32  # zeros that no packing of these ends with


def read_header(kind: str, refuse_truncated: Callable[[ReadRange, int], None], read: ReadRange, length: int) -> Header:
    """Read the header of a ``kind``, as Pillow calls it, whose levels have 8 bits. Raises Refusal."""
    refuse_truncated(read, length)
    return _header(kind, read, length)


def _header(kind: str, read: ReadRange, length: int) -> Header:
    with opened(cast(IO[bytes], RangeFile(read, length)), kind) as image:
        return Header(kind, image.height, image.width, orientation_of(image.info.get("exif") or b""))


def decode(content: Content, header: Header) -> Planes:
    """Decode all channels. Raises Refusal for what is damaged or of a colour model that is not read."""
    return decode_by_pillow(BytesIO(content), header.format)


def refuse_truncated_webp(read: ReadRange, length: int) -> None:
    """Raise Refusal where a WebP is shorter than it says, or its pixels end in zeros."""
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
    raise truncated("WebP")


def _zeros_of_flat(read: ReadRange, kind: bytes, start: int) -> int:
    """How many zeros one colour all over may end with: lossy WebP takes 0.025 bytes for 16 x 16 such pixels."""
    if kind == b"VP8 ":
        width, height = (side & 0x3FFF for side in struct.unpack("<HH", read(start + 6, start + 10)))
    elif kind == b"ANMF":
        width, height = (int.from_bytes(read(start + at, start + at + 3), "little") + 1 for at in (6, 9))
    else:
        return 0
    return width * height // _PIXELS_A_ZERO


def _is_unwritten(read: ReadRange, end: int, zeros: int = _NEVER_WRITTEN) -> bool:
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


def refuse_truncated_bmp(read: ReadRange, length: int) -> None:
    """Raise Refusal where a BMP of an uncompressed kind is shorter than its pixels."""
    head = read(0, 34)
    if len(head) < 34:
        raise truncated("BMP")
    pixels, size_of_rest, width, height, _, bits, packing = struct.unpack("<IIiiHHI", head[10:34])
    if size_of_rest < 40 or packing not in (0, 3):  # an older kind, or compressed
        return
    if pixels + (width * bits + 31) // 32 * 4 * abs(height) > length:
        raise truncated("BMP")


def refuse_truncated_avif(read: ReadRange, length: int) -> None:
    """Raise Refusal where a box of an AVIF is longer than the file, or its pixels end in zeros; zeros may follow it."""
    place = 0
    while place + 8 <= length:
        size, kind = struct.unpack(">I4s", read(place, place + 8))
        if not size and not any(kind):
            break
        if size == 1:
            size = int.from_bytes(read(place + 8, place + 16), "big")
        place = length if size == 0 else place + max(size, 8)
        if kind == b"mdat" and _is_unwritten(read, place):
            raise truncated("AVIF")
    if place > length or any(read(place, length)):
        raise truncated("AVIF")


def refuse_truncated_gif(read: ReadRange, length: int) -> None:
    """Raise Refusal where the blocks of a GIF do not lead to its end; more may follow that."""
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
        raise truncated("GIF")


def _palette_bytes(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _refuse_truncated_jpeg2000(read: ReadRange, length: int) -> None:
    """Raise Refusal where a JPEG 2000 lacks its end, or has zeros before it."""
    is_last = read(max(length - 2, 0), length) == _CODESTREAM_END
    if _is_unwritten(read, length - 2) if is_last else _CODESTREAM_END not in read(0, length):
        raise truncated("JPEG 2000")


def read_header_jpeg2000(read: ReadRange, length: int) -> Header:
    """Read the header. Raises Refusal for what is truncated, and for other levels than 8 or 16 bits."""
    _refuse_truncated_jpeg2000(read, length)
    head = read(0, _JP2_HEAD)
    start = head.find(_CODESTREAM)
    if start < 0 or len(head) < start + 43:
        raise damaged("JPEG 2000", "its header")
    channels, depth = int.from_bytes(head[start + 40 : start + 42], "big"), head[start + 42]
    bits = (depth & 0x7F) + 1
    if depth & 0x80 or bits not in (8, 16) or (bits == 16 and channels not in (1, 3)):
        signed = "signed " if depth & 0x80 else ""
        raise unsupported_depth(f"{bits} bit {signed}ones in {channels} channels of a JPEG 2000")
    return _header("JPEG2000", read, length)._replace(detail=bits == 16 and channels == 3)


def decode_jpeg2000(content: Content, header: Header) -> Planes:
    """Decode all channels; by OpenCV where Pillow would leave 8 bits of 16."""
    if not header.detail:
        return decode(content, header)
    levels, _ = decode_by_opencv(content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if levels is None or levels.dtype != "uint16":
        raise damaged("JPEG 2000")
    return Planes(cv2.cvtColor(levels, cv2.COLOR_BGR2RGB))

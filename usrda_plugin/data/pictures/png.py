"""PNG: 1 to 16 bits, gray, colour or palette, alpha or a transparent colour."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import NamedTuple

import cv2
import numpy as np

from usrda_plugin.data.pictures.decoders import decode_by_opencv, opened
from usrda_plugin.data.pictures.picture import Content, Header, Planes, ReadRange, damaged, truncated
from usrda_plugin.data.pictures.tags import orientation_of

SIGNATURE = b"\x89PNG\r\n\x1a\n"
END = b"\0\0\0\0IEND\xaeB`\x82"
_GRAY, _RGB, _PALETTE, _GRAY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
_CHANNELS = {_GRAY: 1, _RGB: 3, _PALETTE: 1, _GRAY_ALPHA: 2, _RGB_ALPHA: 4}
_DEPTHS = {_GRAY: (1, 2, 4, 8, 16), _RGB: (8, 16), _PALETTE: (1, 2, 4, 8), _GRAY_ALPHA: (8, 16), _RGB_ALPHA: (8, 16)}
_CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
_ACCEPTED = _CRITICAL | {b"pHYs", b"tIME"}  # of which libpng says nothing
_TAIL = 4096
_TEXTS = (b"tEXt", b"zTXt")
_RAW_EXIF = b"Raw profile type exif\0"
_LONGEST_RAW_EXIF = 2**18


class Chunk(NamedTuple):
    """A part of a PNG: its kind, and where it begins (with its length) and ends (behind its checksum)."""

    kind: bytes
    start: int
    stop: int


class Detail(NamedTuple):
    """Bits of a sample, the kind of colour as the header says it, whether rows are interlaced.

    ``is_plain``: nothing stands before the pixels that libpng would complain of.
    """

    depth: int
    model: int
    is_interlaced: bool
    is_plain: bool


def read_header(read: ReadRange, length: int) -> Header:
    """Read the header. Raises Refusal where the file has no end, or its header says what cannot be."""
    if not _has_end(read, length):
        raise truncated("PNG")
    start = read(0, 33)
    width, height, depth, model, packing, filtering, interlace = struct.unpack(">IIBBBBB", start[16:29])
    is_whole = start[12:16] == b"IHDR" and zlib.crc32(start[12:29]) == int.from_bytes(start[29:33], "big")
    if not is_whole or not width * height or depth not in _DEPTHS.get(model, ()) or (packing, filtering) != (0, 0):
        raise damaged("PNG", "its header")
    exif, kinds = _before_pixels(read, length)
    is_fast = depth == 8 and model == _RGB and b"tRNS" not in kinds
    detail = Detail(depth, model, bool(interlace), kinds <= _ACCEPTED)
    return Header("PNG", height, width, orientation_of(exif), is_fast, detail)


def decode_fast(content: Content, header: Header, order: int) -> np.ndarray | None:
    """Decode 8 bit RGB without alpha, channels in OpenCV's ``order``; None, or Refusal, for what is damaged."""
    plain = content if header.detail.is_plain else _essence(content, chunks(content))
    # what is wrong is told by name, once all parts are looked at
    return decode_by_opencv(plain, order | cv2.IMREAD_IGNORE_ORIENTATION)[0]


def decode(content: Content, header: Header) -> Planes:
    """Decode all channels. Raises Refusal for what is damaged."""
    detail: Detail = header.detail
    parts = chunks(content)
    _check_amount(content, header, parts)
    key = next((bytes(content[part.start + 8 : part.stop - 4]) for part in parts if part.kind == b"tRNS"), b"")
    if detail.model == _PALETTE:
        return _of_palette(content, has_alpha=bool(key))
    flags = cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION
    levels, _ = decode_by_opencv(_essence(content, parts), flags)
    if levels is None:
        raise damaged("PNG")
    if detail.model in (_GRAY_ALPHA, _RGB_ALPHA):
        alpha = np.ascontiguousarray(levels[..., 3])
        gray = np.ascontiguousarray(levels[..., 0])
        return Planes(gray if detail.model == _GRAY_ALPHA else cv2.cvtColor(levels, cv2.COLOR_BGRA2RGB), alpha)
    colour = levels.reshape(levels.shape[:2]) if detail.model == _GRAY else cv2.cvtColor(levels, cv2.COLOR_BGR2RGB)
    return Planes(colour, _alpha_of_key(colour, key, detail.depth))


def chunks(content: Content) -> list[Chunk]:
    """List the parts of a PNG. Raises Refusal where a checksum is wrong or the end is missing."""
    view = memoryview(content)
    found: list[Chunk] = []
    place = len(SIGNATURE)
    while place + 12 <= len(view):
        size, kind = struct.unpack_from(">I4s", view, place)
        stop = place + 12 + size
        if stop > len(view) or zlib.crc32(view[place + 4 : stop - 4]) != int.from_bytes(view[stop - 4 : stop], "big"):
            raise damaged("PNG", "a checksum is wrong")
        found.append(Chunk(kind, place, stop))
        if kind == b"IEND":
            return found
        place = stop
    raise damaged("PNG", "its end is missing")


def _essence(content: Content, parts: list[Chunk]) -> Content:
    """A PNG of its pixels alone, which OpenCV neither turns nor blends, nor complains of."""
    if all(part.kind in _ACCEPTED for part in parts):
        return content
    kept = (content[part.start : part.stop] for part in parts if part.kind in _CRITICAL)
    return b"".join((SIGNATURE, *kept))


def _has_end(read: ReadRange, length: int) -> bool:
    """Tell whether the last part is there: at the end, or with more behind it."""
    if read(max(length - len(END), 0), length) == END:
        return True
    place = len(SIGNATURE)
    while place + 12 <= length:
        size, kind = struct.unpack(">I4s", read(place, place + 8))
        if kind == b"IEND":
            return True
        place += 12 + size
    return False


def _before_pixels(read: ReadRange, length: int) -> tuple[bytes, set[bytes]]:
    """The EXIF block, which may also stand behind the pixels near the end, and the kinds of parts before the pixels."""
    place, exif, kinds = len(SIGNATURE), b"", set[bytes]()
    while place + 12 <= length:
        size, kind = struct.unpack(">I4s", read(place, place + 8))
        if kind in (b"IDAT", b"IEND"):
            break
        if kind == b"eXIf":
            exif = read(place + 8, place + 8 + size)
        elif kind in _TEXTS and read(place + 8, place + 8 + len(_RAW_EXIF)) == _RAW_EXIF:
            exif = exif or _raw_exif(kind, read(place + 8 + len(_RAW_EXIF), place + 8 + size))
        kinds.add(kind)
        place += 12 + size
    return exif or _behind_pixels(read(max(length - _TAIL, 0), length)), kinds


def _raw_exif(kind: bytes, text: bytes) -> bytes:
    """EXIF as ImageMagick wrote it before PNG had a part for it: a text of hexadecimal digits behind two lines."""
    try:
        text = zlib.decompressobj().decompress(text[1:], _LONGEST_RAW_EXIF) if kind == b"zTXt" else text
        return bytes.fromhex("".join(text.decode("latin-1").split("\n")[3:]))
    except (ValueError, zlib.error):
        return b""


def _behind_pixels(tail: bytes) -> bytes:
    start = tail.rfind(b"eXIf")
    body = tail[start : start + 4 + int.from_bytes(tail[max(start - 4, 0) : start], "big")]
    if start < 4 or zlib.crc32(body).to_bytes(4, "big") != tail[start + len(body) : start + len(body) + 4]:
        return b""
    return body[4:]


def _check_amount(content: Content, header: Header, parts: list[Chunk]) -> None:
    """Unpack the pixels to see that all are there: libpng would print of it, and older OpenCVs leave the rest black."""
    detail: Detail = header.detail
    bits = detail.depth * _CHANNELS[detail.model]
    least = 0 if detail.is_interlaced else header.height * (1 + (header.width * bits + 7) // 8)
    unpacker, amount = zlib.decompressobj(), 0
    try:
        for part in parts:
            if part.kind == b"IDAT":
                rest: bytes = bytes(content[part.start + 8 : part.stop - 4])
                while rest and not unpacker.eof and amount < least:
                    amount += len(unpacker.decompress(rest, 2**20))
                    rest = unpacker.unconsumed_tail
    except zlib.error:
        raise damaged("PNG", "its pixels cannot be unpacked") from None
    if amount < least:
        raise damaged("PNG", "pixels are missing")


def _of_palette(content: Content, *, has_alpha: bool) -> Planes:
    with opened(BytesIO(content), "PNG") as image:
        levels = np.asarray(image.convert("RGBA" if has_alpha else "RGB"))
    return Planes(np.ascontiguousarray(levels[..., :3]), np.ascontiguousarray(levels[..., 3]) if has_alpha else None)


def _alpha_of_key(colour: np.ndarray, key: bytes, depth: int) -> np.ndarray | None:
    """Alpha of a picture of which one level or colour is transparent."""
    channels = 1 if colour.ndim == 2 else 3
    if len(key) < 2 * channels:
        return None
    mask = 2**depth - 1
    stored = np.frombuffer(key, ">u2", channels) & mask
    top = int(np.iinfo(colour.dtype).max)
    wanted = (stored.astype(np.uint32) * (top // mask)).astype(colour.dtype)
    is_key = colour == wanted[0] if channels == 1 else (colour == wanted).all(axis=2)
    return np.where(is_key, 0, top).astype(colour.dtype)


def without_pixels(content: bytes) -> bytes:
    """A PNG whose parts behind the pixels stand before them, and of these the first part alone: for its other words."""
    parts = chunks(content)
    pixels = [part for part in parts if part.kind == b"IDAT"][:1]
    words = [part for part in parts if part.kind not in (b"IDAT", b"IEND", b"fdAT")]
    # that of the first picture of an animation stands before its pixels
    words = [part for part in words if part.kind != b"fcTL" or part.start < pixels[0].start]
    return b"".join((SIGNATURE, *(content[part.start : part.stop] for part in (*words, *pixels)), END))

"""The formats that are read: a file is told by its content; one way in for training, LMDBs, BasicSR and upscaling."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, NamedTuple

import cv2
import numpy as np

from usrda_plugin.data.pictures import containers, jpeg, png, pnm, tiff
from usrda_plugin.data.pictures.decoders import refuse_large
from usrda_plugin.data.pictures.metadata import read_metadata
from usrda_plugin.data.pictures.picture import (
    CONVERT,
    COPY_AGAIN,
    Content,
    Header,
    Picture,
    Planes,
    ReadRange,
    Refusal,
    damaged,
    naming,
    truncated,
    unsupported,
    upright,
)

_HEAD = 512
"""Bytes by which a file is told."""


class Format(NamedTuple):
    """One format: what it begins with, its header and its planes; ``decode_fast`` where OpenCV may read it alone.

    ``read_header`` gets the length of the file too; the last argument of ``decode_fast`` is OpenCV's order of channels.
    """

    start: re.Pattern[bytes]
    read_header: Callable[[ReadRange, int], Header]
    decode: Callable[[Content, Header], Planes]
    decode_fast: Callable[[Content, Header, int], np.ndarray | None] | None = None


def _by_pillow(kind: str, refuse_truncated: Callable[[ReadRange, int], None]) -> Callable[[ReadRange, int], Header]:
    return partial(containers.read_header, kind, refuse_truncated)


_start = partial(re.compile, flags=re.DOTALL)
_FORMATS: tuple[Format, ...] = (
    Format(_start(rb"\x89PNG\r\n\x1a\n"), png.read_header, png.decode, png.decode_fast),
    Format(_start(rb"\xff\xd8\xff"), jpeg.read_header, jpeg.decode, jpeg.decode_fast),
    Format(_start(rb"II[*+]\0|MM\0[*+]"), tiff.read_header, tiff.decode),
    Format(_start(rb"P[1-6][\s#]"), pnm.read_header, pnm.decode),
    Format(_start(rb"RIFF....WEBP"), _by_pillow("WEBP", containers.refuse_truncated_webp), containers.decode),
    Format(_start(rb"BM"), _by_pillow("BMP", containers.refuse_truncated_bmp), containers.decode),
    Format(_start(rb"GIF8[79]a"), _by_pillow("GIF", containers.refuse_truncated_gif), containers.decode),
    Format(_start(rb"....ftypavi[fs]"), _by_pillow("AVIF", containers.refuse_truncated_avif), containers.decode),
    Format(_start(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"), containers.read_header_jpeg2000, containers.decode_jpeg2000),
)


def upright_size(file: IO[bytes], where: str) -> tuple[int, int]:
    """Return (height, width) of an image in pixels, upright as its EXIF tag says, from its header and its end.

    Raises UnreadableError that names ``where`` for what is empty, cut off, no image, of a kind that is not read, or of
    more pixels than OpenCV takes.
    """
    length = file.seek(0, io.SEEK_END)

    def read(start: int, stop: int) -> bytes:
        file.seek(min(start, length))
        return file.read(max(min(stop, length) - start, 0))

    with naming(where):
        return _header_of(read, length)[1].upright_size


def decode_colour(content: Content, where: str, order: int = cv2.IMREAD_COLOR_RGB) -> np.ndarray:
    """Decode a file to HWC colour, uint8 or uint16, upright; ``order``: OpenCV's flag for RGB or BGR.

    Alpha is dropped, where it was multiplied in after dividing by it, and gray repeated three times. Raises
    UnreadableError as ``upright_size``, and for what is damaged.
    """
    with naming(where):
        kind, header = _header_of(_range_reader(content), len(content))
        levels = kind.decode_fast(content, header, order) if kind.decode_fast and header.is_fast else None
        if levels is not None:
            return upright(levels, header.orientation)
        colour = _planes(content, kind, header).colour
        if colour.ndim == 2:
            return np.dstack([colour] * 3)
        return colour if order == cv2.IMREAD_COLOR_RGB else cv2.cvtColor(colour, cv2.COLOR_RGB2BGR)


def decode_picture(content: Content, where: str) -> Picture:
    """Decode a file with all that it carries. Raises UnreadableError as ``decode_colour``."""
    with naming(where):
        kind, header = _header_of(_range_reader(content), len(content))
        colour, alpha = _planes(content, kind, header)
        return Picture(colour, alpha, *read_metadata(bytes(content), header))


def read_picture(file: Path) -> Picture:
    """Read an image file. Raises OSError, and UnreadableError as ``decode_colour``, naming it."""
    return decode_picture(file.read_bytes(), str(file))


def _range_reader(content: Content) -> ReadRange:
    return lambda start, stop: bytes(content[start:stop])


def _header_of(read: ReadRange, length: int) -> tuple[Format, Header]:
    """Tell the format of a file by its content and read its header.

    Raises Refusal for what is empty, cut off, none of the formats that are read, or larger than OpenCV takes.
    """
    head = read(0, _HEAD)
    found = next((one for one in _FORMATS if one.start.match(head)), None)
    if found is None:
        raise _unknown(head, read(max(length - _HEAD, 0), length))
    try:
        header = found.read_header(read, length)
    except (struct.error, IndexError, OverflowError):  # it ends where its header should go on
        raise truncated("file") from None
    refuse_large(header.height, header.width)
    return found, header


def _planes(content: Content, kind: Format, header: Header) -> Planes:
    colour, alpha = kind.decode(content, header)
    if colour.shape[:2] != (header.height, header.width):
        raise damaged(header.format)
    turned = None if alpha is None else upright(alpha, header.orientation)
    return Planes(upright(colour, header.orientation), turned)


_EXPORT = "export it as PNG, JPEG or TIFF"
# what a file begins with, what it is, and what its owner can do
_KNOWN: tuple[tuple[re.Pattern[bytes], str, str], ...] = tuple(
    (re.compile(start, re.DOTALL), what, remedy)
    for start, what, remedy in (
        (rb"....ftyp(hei[cxms]|hev[cxms])", "a HEIC photograph", "convert it to JPEG or PNG, by heif-convert say"),
        (rb"....ftyp(mif1|msf1)", "a HEIF image", "convert it to JPEG or PNG, by heif-convert say"),
        (rb"....ftypcrx ", "a camera's raw file (CR3)", _EXPORT),
        (rb"....ftyp", "a film", "export its frames as PNG, by ffmpeg say"),
        (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL image", "convert it to PNG, by djxl say"),
        (rb"II\xbc", "a JPEG XR image", CONVERT),
        (rb"IIR[OS]|IIU\0|FUJIFILMCCD-RAW|\0MRM|FOVb", "a camera's raw file", _EXPORT),
        (rb"8BPS", "a Photoshop document (PSD)", _EXPORT),
        (rb"gimp xcf", "a GIMP document (XCF)", _EXPORT),
        (rb"\x76\x2f\x31\x01", "an OpenEXR image", "convert it to 16 bit PNG or TIFF"),
        (rb"#\?(RADIANCE|RGBE)", "a Radiance HDR image", "convert it to 16 bit PNG or TIFF"),
        (rb"P[Ff]\s", "a PFM image of floats", "convert it to 16 bit PNG or TIFF"),
        (rb"P7\s", "a PAM image", CONVERT),
        (rb"DDS ", "a DDS texture", CONVERT),
        (rb"qoif", "a QOI image", CONVERT),
        (rb"BPG\xfb", "a BPG image", CONVERT),
        (rb"FLIF", "a FLIF image", CONVERT),
        (rb"\x8aMNG", "an MNG animation", "export its frames as PNG"),
        (rb"\x8bJNG", "a JNG image", CONVERT),
        (rb"\x0a[\x00\x02-\x05]\x01[\x01\x02\x04\x08]", "a PCX image", CONVERT),
        (rb"\0\0[\x01\x02]\0[^\0]\0", "an icon (ICO, CUR)", CONVERT),
        (rb"icns", "an icon (ICNS)", CONVERT),
        (rb"BLP[12]", "a BLP texture", CONVERT),
        (rb"\x59\xa6\x6a\x95", "a Sun raster image", CONVERT),
        (rb"(DanM|LinS)", "an MSP image", CONVERT),
        (rb"Image type: ", "an IM image", CONVERT),
        (rb"/\* XPM \*/", "an XPM image", CONVERT),
        (rb"(/\*.*\*/\s*)?#define \S+_width ", "an XBM image", CONVERT),
        (rb"SIMPLE  =", "a FITS image", CONVERT),
        (rb".{128}DICM", "a DICOM image", CONVERT),
        (rb"\x93NUMPY", "a NumPy array", "save it as PNG"),
        (rb"\x01\xda[\x00\x01][\x01\x02]", "an SGI image", CONVERT),
        (rb"%PDF", "a PDF document", "export its pages as PNG, by pdftoppm say"),
        (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript document (EPS)", "export it as PNG"),
        (rb"\0\x05\x16\x07", "macOS's notes on a file (AppleDouble, ._NAME), not the file", "remove it"),
        (rb"PK\x03\x04|\x1f\x8b|Rar!|7z\xbc\xaf|\xfd7zXZ|BZh|\x28\xb5\x2f\xfd", "an archive", "unpack it"),
        (rb"RIFF....AVI ", "a film", "export its frames as PNG, by ffmpeg say"),
        (rb"\x1aE\xdf\xa3", "a film", "export its frames as PNG, by ffmpeg say"),
        (rb"version https://git-lfs", "Git LFS's note on a file, not the file", "fetch it: git lfs pull"),
        (rb"(\xef\xbb\xbf)?\s*<(\?xml|svg|!--).*<svg|(\xef\xbb\xbf)?\s*<svg", "an SVG drawing", "export it as PNG"),
        (rb"(?i)(\xef\xbb\xbf)?\s*<(!doctype html|html|head)", "a web page", "download the image itself"),
    )
)
# Targa has no mark at its beginning: kind of colour map, of image, then bits per pixel
_TGA = re.compile(rb".(\0[\x02\x03\x0a\x0b]\0\0\0\0\0|\x01[\x01\x09]..[\x00-\x01][\x0f\x10\x18\x20]).{8}", re.DOTALL)
_TGA_BITS = (8, 15, 16, 24, 32)
_TGA_END = b"TRUEVISION-XFILE.\0"


def _unknown(head: bytes, tail: bytes) -> Refusal:
    """Say what a file is that is none of the formats that are read, by its first and last bytes."""
    if not head:
        return Refusal("expected an image, found an empty file; remove it or put the image in its place")
    for start, what, remedy in _KNOWN:
        if start.match(head):
            return unsupported(what, remedy)
    if tail.endswith(_TGA_END) or (_TGA.match(head) and head[16] in _TGA_BITS and head[17] & 0xC0 == 0):
        return unsupported("a TGA image")
    if not any(head) and not any(tail):
        return Refusal(f"expected an image, found zeros alone: it was never written, or lost; {COPY_AGAIN}")
    if _is_text(head):
        return Refusal("expected an image, found text; remove it or put the image in its place")
    return Refusal(
        "expected an image, found a file that is damaged from its beginning, or of an unknown format; remove it, copy"
        " it again or convert it to PNG"
    )


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode("utf-8-sig")
    return not any(ord(letter) < 32 and letter not in "\t\n\r\f" for letter in text)

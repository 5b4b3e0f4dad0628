"""Why a file is not read as a picture, in words for the one who has to mend it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

CONVERT = "convert it to PNG"
COPY_AGAIN = "remove it or copy it again"
_EXPORT = "export it as PNG, JPEG or TIFF"


class UnreadableError(ValueError):
    """A file is no picture, or of a kind that is not read; ``reason`` is the message without the file's name."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.reason = reason


class Refused(Exception):
    """What was expected, what was found and what to do; ``naming`` adds the file."""


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Turn Refused into UnreadableError, which names ``where``."""
    try:
        yield
    except Refused as refused:
        raise UnreadableError(where, str(refused)) from None


def damaged(kind: str, why: str = "") -> Refused:
    """A file that begins as a ``kind`` and does not go on as one."""
    return Refused(f"expected an image, found a damaged {kind}{f' ({why})' if why else ''}; {COPY_AGAIN}")


def cut_off(kind: str) -> Refused:
    """A file whose rest is missing."""
    article = "an" if kind[0] == "A" else "a"
    return Refused(f"expected an image, found {article} {kind} that is cut off; {COPY_AGAIN}")


def unread(what: str, remedy: str = CONVERT) -> Refused:
    """A whole file of a kind that is not read."""
    return Refused(f"expected an image of a kind that is read, found {what}; {remedy}")


def not_levels(found: str) -> Refused:
    """Samples that are no unsigned integers of 8 or 16 bits."""
    return Refused(f"expected 8 or 16 bits per channel, found {found}; convert it to 8 or 16 bits, as PNG say")


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


def foreign(head: bytes, tail: bytes) -> Refused:
    """Say what a file is that is none of the formats that are read, by its first and last bytes."""
    if not head:
        return Refused("expected an image, found an empty file; remove it or put the image in its place")
    for start, what, remedy in _KNOWN:
        if start.match(head):
            return unread(what, remedy)
    if tail.endswith(_TGA_END) or (_TGA.match(head) and head[16] in _TGA_BITS and head[17] & 0xC0 == 0):
        return unread("a TGA image")
    if not any(head) and not any(tail):
        return Refused(f"expected an image, found zeros alone: it was never written, or lost; {COPY_AGAIN}")
    if _is_text(head):
        return Refused("expected an image, found text; remove it or put the image in its place")
    return Refused(
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

"""What a file carries beside its levels: read, and made true for another size."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any, NamedTuple

from PIL import ExifTags, Image

from usrda_plugin.data.pictures import png
from usrda_plugin.data.pictures.containers import is_lossless_webp
from usrda_plugin.data.pictures.decoders import opened
from usrda_plugin.data.pictures.picture import Header, Metadata, Refusal
from usrda_plugin.data.pictures.tags import MOST_DIRECTORIES, ORIENTATION, Directory, directories

_EXIF, _GPS = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo
_WIDTHS_AND_HEIGHTS = ((0x0100, 0x0101), (0xA002, 0xA003))  # of the whole directory, of the one of EXIF
_XMP, _PROFILE, _X_RESOLUTION, _Y_RESOLUTION, _UNIT = 700, 34675, 282, 283, 296
_DESCRIBING = (270, 271, 272, 305, 306, 315, 33432)  # description, make, model, software, date, artist, copyright
_CM_IN_INCH = 2.54
_REDUCED_OR_MASK = 1 | 4
_XMP_KEY = "XML:com.adobe.xmp"
_RAW_PROFILE = "Raw profile type "  # EXIF, IPTC or a colour profile, by old programs: true of the old size alone
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=[\"']|>))\d")


class Carried(NamedTuple):
    """What a file carries: its ICC profile, metadata, number of pictures, and whether it is a WebP without loss."""

    profile: bytes | None = None
    metadata: Metadata = Metadata()
    frames: int = 1
    lossless: bool = False


def read_metadata(content: bytes, header: Header) -> Carried:
    """Read what a whole file carries; what is damaged of it is left out."""
    if header.format == "TIFF":
        return _of_tiff(content)
    lossless = header.format == "WEBP" and is_lossless_webp(content)
    small = png.without_pixels(content) if header.format == "PNG" else content
    try:
        with opened(BytesIO(small), header.format) as image:
            info = image.info
            metadata = Metadata(
                exif=_attempt(lambda: upright_exif(_exif_of(image))),
                xmp=_xmp(info.get("xmp"), header.orientation),
                dpi=_dpi(info.get("dpi")),
                text=tuple(_texts(image)),
                gamma=_attempt(lambda: round(info["gamma"] * 100_000)),
                chromaticities=_attempt(lambda: tuple(round(part * 100_000) for part in info["chromaticity"])),
                intent=_attempt(lambda: int(info["srgb"])),
            )
            frames = _attempt(lambda: int(getattr(image, "n_frames", 1))) or 1
            return Carried(info.get("icc_profile") or None, metadata, frames, lossless)
    except Refusal:
        return Carried(lossless=lossless)


def upright_exif(exif: Image.Exif) -> bytes | None:
    """Return a block without thumbnail, as an upright picture has it; None where there is nothing to say."""
    if not len(exif):
        return None
    if ORIENTATION in exif:
        exif[ORIENTATION] = 1
    return exif.tobytes().removeprefix(b"Exif\0\0")


def exif_of_size(block: bytes, height: int, width: int) -> bytes:
    """Return a block of EXIF whose tags of the size in pixels, where it has them, are these."""
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + block)
    directories_ = (exif, exif.get_ifd(_EXIF) if _EXIF in exif else {})
    for tags, directory in zip(_WIDTHS_AND_HEIGHTS, directories_, strict=True):
        for tag, side in zip(tags, (width, height), strict=True):
            if tag in directory:
                directory[tag] = side
    return exif.tobytes().removeprefix(b"Exif\0\0")


def _exif_of(image: Image.Image) -> Image.Exif:
    """As Pillow reads it, but for an orientation that XMP alone says: no picture was turned by that."""
    image.info = {key: words for key, words in image.info.items() if key not in ("xmp", _XMP_KEY)}
    return image.getexif()


def _of_tiff(content: bytes) -> Carried:
    def read(start: int, stop: int) -> bytes:
        return content[start:stop]

    pages = directories(read, MOST_DIRECTORIES)
    first = pages[0]
    frames = sum(not page.number(254, 0) & _REDUCED_OR_MASK for page in pages)
    metadata = Metadata(
        exif=_attempt(lambda: _exif_of_tiff(content)),
        xmp=_xmp(first.bytes(_XMP), first.number(ORIENTATION, 1)),
        dpi=_dpi_of_tiff(first),
    )
    return Carried(first.bytes(_PROFILE) or None, metadata, max(frames, 1))


def _exif_of_tiff(content: bytes) -> bytes | None:
    """What describes the picture and how it was taken; other tags say how the TIFF is laid out."""
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + content)
    for tag in [tag for tag in exif if tag not in (*_DESCRIBING, _EXIF, _GPS)]:
        del exif[tag]
    return upright_exif(exif)


def _dpi_of_tiff(directory: Directory) -> tuple[float, float] | None:
    unit = directory.number(_UNIT, 2)
    parts = [directory.numbers(tag) for tag in (_X_RESOLUTION, _Y_RESOLUTION)]
    if unit not in (2, 3) or not all(len(part) >= 2 and part[0] and part[1] for part in parts):
        return None
    x, y = (part[0] / part[1] * (1 if unit == 2 else _CM_IN_INCH) for part in parts)
    return x, y


def _texts(image: Image.Image) -> Iterable[tuple[str, str]]:
    for key, text in getattr(image, "text", {}).items():
        if key != _XMP_KEY and not key.startswith(_RAW_PROFILE):
            yield str(key), str(text)
    comment = image.info.get("comment")
    if comment:
        yield "Comment", comment.decode("utf-8", errors="replace") if isinstance(comment, bytes) else str(comment)


def _xmp(packet: bytes | str | None, orientation: int) -> bytes | None:
    """The packet; its orientation, by which no picture is turned, is 1 where EXIF's was another one."""
    if not packet:
        return None
    packet = packet.encode() if isinstance(packet, str) else packet
    return packet if orientation == 1 else _XMP_ORIENTATION.sub(rb"\g<1>1", packet)


def _dpi(found: Any) -> tuple[float, float] | None:
    return _attempt(lambda: (float(found[0]), float(found[1]))) if found and min(found) > 0 else None


def _attempt(read: Callable[[], Any]) -> Any:
    """What is read, or None: metadata that is damaged is no reason to refuse a picture."""
    try:
        return read()
    except MemoryError:
        raise
    except Exception:  # whatever a library stumbles over
        return None

"""What a file carries beside its levels: read, and made true for a file of another size and format."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo

from usrda_plugin.data.pictures import png
from usrda_plugin.data.pictures.containers import is_lossless_webp
from usrda_plugin.data.pictures.decoders import opened
from usrda_plugin.data.pictures.picture import Header, Metadata, Picture, Refusal
from usrda_plugin.data.pictures.tags import MOST_DIRECTORIES, ORIENTATION, Directory, directories

_EXIF, _GPS = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo
_WIDTHS_AND_HEIGHTS = ((0x0100, 0x0101), (0xA002, 0xA003))  # of the whole directory, of the one of EXIF
_XMP, _PROFILE, _X_RESOLUTION, _Y_RESOLUTION, _UNIT = 700, 34675, 282, 283, 296
_DESCRIBING = (270, 271, 272, 305, 306, 315, 33432)  # description, make, model, software, date, artist, copyright
_INCH_IN_CM, _INCH_IN_METRES = 2.54, 0.0254
_SRGB_GAMMA, _SRGB_CHROMATICITIES = 45455, (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
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
                exif=_attempt(lambda: _upright_exif(_exif_of(image))),
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


def left_out(file: Path, picture: Picture) -> list[str]:
    """List, in words, what a picture carries and a file of that suffix does not hold."""
    suffix, metadata = file.suffix.lower(), picture.metadata
    is_png = suffix == ".png"
    is_gray = picture.colour.ndim == 2 and (picture.alpha is None if is_png else suffix != ".webp")
    has_own_colours = metadata.intent is None and (
        metadata.gamma not in (None, _SRGB_GAMMA) or metadata.chromaticities not in (None, _SRGB_CHROMATICITIES)
    )
    texts = [key for key, _ in metadata.text if key != "Comment" or suffix == ".webp"]
    lost = {
        "its 16 bits": not is_png and picture.colour.dtype == np.uint16,
        "its colour profile, which does not fit its channels": bool(picture.profile)
        and _fitting_profile(picture, gray=is_gray) is None,
        "its gamma and chromaticities": not is_png and has_own_colours,
        "its texts": not is_png and bool(texts),
    }
    return [words for words, is_lost in lost.items() if is_lost]


def save_arguments(picture: Picture, *, gray: bool) -> dict[str, Any]:
    """Return what goes into a JPEG or WebP beside the levels, by the names of Pillow's arguments."""
    profile, metadata = _fitting_profile(picture, gray=gray), picture.metadata
    exif = None if metadata.exif is None else b"Exif\0\0" + _exif_of_size(metadata.exif, *picture.colour.shape[:2])
    found = {"icc_profile": profile, "exif": exif, "xmp": metadata.xmp}
    return {argument: value for argument, value in found.items() if value}


def png_chunks(picture: Picture, *, gray: bool) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and body of each optional part of a PNG, in an order that its standard allows."""
    metadata, profile = picture.metadata, _fitting_profile(picture, gray=gray)
    if profile is not None:
        yield b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)
    elif metadata.intent is not None:
        yield b"sRGB", bytes([metadata.intent])
    if metadata.gamma is not None:
        yield b"gAMA", struct.pack(">I", metadata.gamma)
    if metadata.chromaticities is not None:
        yield b"cHRM", struct.pack(f">{len(metadata.chromaticities)}I", *metadata.chromaticities)
    if metadata.dpi is not None:
        yield b"pHYs", struct.pack(">IIB", *(round(part / _INCH_IN_METRES) for part in metadata.dpi), 1)
    if metadata.exif is not None:
        yield b"eXIf", _exif_of_size(metadata.exif, *picture.colour.shape[:2])
    yield from _png_texts(metadata)


def _png_texts(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    info = PngInfo()
    for key, text in metadata.text:
        info.add_text(key, text)
    if metadata.xmp is not None:
        info.add_itxt(_XMP_KEY, metadata.xmp.decode("utf-8", errors="replace"))
    yield from ((part[0], part[1]) for part in info.chunks)


def _fitting_profile(picture: Picture, *, gray: bool) -> bytes | None:
    """The profile where it is of the channels that are written; that of a CMYK image, say, is not."""
    fits = picture.profile is not None and picture.profile[16:20] == (b"GRAY" if gray else b"RGB ")
    return picture.profile if fits else None


def _upright_exif(exif: Image.Exif) -> bytes | None:
    """A block without thumbnail, as an upright picture has it; None where there is nothing to say."""
    if not len(exif):
        return None
    if ORIENTATION in exif:
        exif[ORIENTATION] = 1
    return exif.tobytes().removeprefix(b"Exif\0\0")


def _exif_of_size(block: bytes, height: int, width: int) -> bytes:
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
    image.info = {key: value for key, value in image.info.items() if key not in ("xmp", _XMP_KEY)}
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
    return _upright_exif(exif)


def _dpi_of_tiff(directory: Directory) -> tuple[float, float] | None:
    unit = directory.number(_UNIT, 2)
    parts = [directory.numbers(tag) for tag in (_X_RESOLUTION, _Y_RESOLUTION)]
    if unit not in (2, 3) or not all(len(part) >= 2 and part[0] and part[1] for part in parts):
        return None
    x, y = (part[0] / part[1] * (1 if unit == 2 else _INCH_IN_CM) for part in parts)
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

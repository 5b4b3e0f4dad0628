"""Pictures into files, each written whole or not at all: PNG, JPEG and WebP; and levels into entries of an LMDB."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from usrda_plugin.choices import Encoding
from usrda_plugin.data.pictures.metadata import exif_of_size
from usrda_plugin.data.pictures.picture import Metadata, Picture, as_8_bit

QUALITY = 95  # of JPEG and WebP: losses below what can be seen
WRITTEN = (".png", ".jpg", ".jpeg", ".webp")
LOSSY = (".jpg", ".jpeg", ".webp")
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
COMPRESSION: dict[Encoding, int] = {"ppm": 0, "png": 1}
"""The zlib level, as BasicSR's ``meta_info.txt`` states it."""
LARGEST_SIDE = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383}
_SIGNATURE_AND_HEADER = 33  # bytes of a PNG before its first optional chunk
_LONGEST_SEGMENT = 65_500  # of a JPEG
_INCH = 0.0254  # metres
_SRGB_GAMMA, _SRGB_CHROMATICITIES = 45455, (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


def check_size(file: Path, height: int, width: int) -> None:
    """Raise ValueError where an image of that size, in pixels, is too large for the format of the file."""
    most = LARGEST_SIDE.get(file.suffix.lower())
    if most is not None and max(height, width) > most:
        raise ValueError(
            f"{file}: expected sides of at most {most} pixels in this format, found {width}x{height}; write it with"
            " --ext png"
        )


def write_picture(file: Path, picture: Picture, *, quality: int | None = None) -> None:
    """Write a PNG, JPEG or WebP by its suffix, in one step: there is never half a file.

    JPEG and WebP have 8 bits and a ``quality`` of 1 to 100; by default 95, and no loss for a WebP of a WebP without
    loss. Raises OSError, and ValueError for alpha in a JPEG or a suffix that is none of these.
    """
    content = encode_picture(file, picture, quality)
    # of this process and this target alone, beside it so that it can be renamed, and short whatever the target's name
    draft = file.with_name(f".{zlib.crc32(os.fsencode(file.name)):08x}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


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


def encode_picture(file: Path, picture: Picture, quality: int | None = None) -> bytes:
    """Encode a picture as the suffix of ``file`` says. Raises ValueError as ``write_picture``."""
    suffix = file.suffix.lower()
    if suffix not in WRITTEN:
        raise ValueError(f"{file}: expected {', '.join(WRITTEN)}, found {suffix or 'no suffix'}")
    if suffix == ".png":
        return _png(picture)
    if suffix == ".webp":
        return _webp(picture, quality)
    if picture.alpha is not None:
        raise ValueError(f"{file}: expected no alpha for a JPEG, found one; write it with --ext png or webp")
    return _jpeg(picture, quality)


def encode_colour(image: np.ndarray, encoding: Encoding) -> bytes:
    """Encode an HWC RGB image, uint8 or uint16, without loss: as PNG, or as PPM, which need not be decoded."""
    if encoding == "ppm":
        deep = image.dtype == np.uint16
        header = f"P6\n{image.shape[1]} {image.shape[0]}\n{65535 if deep else 255}\n".encode("ascii")
        return header + image.astype(">u2" if deep else np.uint8).tobytes()
    level = [cv2.IMWRITE_PNG_COMPRESSION, COMPRESSION[encoding]]
    done, content = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), level)
    assert done, image.shape
    return bytes(content)


def _jpeg(picture: Picture, quality: int | None) -> bytes:
    colour, metadata = as_8_bit(picture.colour), picture.metadata
    how = _words(picture, gray=colour.ndim == 2)
    how = {key: words for key, words in how.items() if key == "icc_profile" or len(words) <= _LONGEST_SEGMENT}
    comment = dict(metadata.text).get("Comment", "").encode()[:_LONGEST_SEGMENT]
    if metadata.dpi is not None:
        how["dpi"] = tuple(round(part) for part in metadata.dpi)
    buffer = BytesIO()
    # full colour resolution: what the network has resolved is not to be averaged away
    Image.fromarray(colour).save(buffer, "JPEG", quality=quality or QUALITY, subsampling=0, comment=comment, **how)
    return buffer.getvalue()


def _webp(picture: Picture, quality: int | None) -> bytes:
    colour = as_8_bit(picture.colour)
    colour = colour if colour.ndim == 3 else np.dstack([colour] * 3)  # WebP has no gray
    if picture.alpha is not None:
        colour = np.dstack([colour, as_8_bit(picture.alpha)])
    loss = {"quality": quality or QUALITY}
    if picture.lossless and quality is None:
        loss = {"lossless": True, "exact": True}
    buffer = BytesIO()
    Image.fromarray(colour).save(buffer, "WEBP", **loss, **_words(picture, gray=False))
    return buffer.getvalue()


def _words(picture: Picture, *, gray: bool) -> dict[str, Any]:
    """What goes into a JPEG or WebP beside the levels, by Pillow's names."""
    profile, metadata = _fitting_profile(picture, gray=gray), picture.metadata
    exif = None if metadata.exif is None else b"Exif\0\0" + exif_of_size(metadata.exif, *picture.colour.shape[:2])
    found = {"icc_profile": profile, "exif": exif, "xmp": metadata.xmp}
    return {key: words for key, words in found.items() if words}


def _png(picture: Picture) -> bytes:
    colour, alpha = picture.colour, picture.alpha
    if alpha is not None:
        levels = np.dstack([colour if colour.ndim == 3 else np.dstack([colour] * 3), alpha])
        levels = cv2.cvtColor(levels, cv2.COLOR_RGBA2BGRA)
    else:
        levels = colour if colour.ndim == 2 else cv2.cvtColor(colour, cv2.COLOR_RGB2BGR)
    done, encoded = cv2.imencode(".png", levels)
    assert done
    content = encoded.tobytes()
    parts = b"".join(_chunk(kind, body) for kind, body in _parts(picture, gray=levels.ndim == 2))
    return content[:_SIGNATURE_AND_HEADER] + parts + content[_SIGNATURE_AND_HEADER:]


def _parts(picture: Picture, *, gray: bool) -> Iterator[tuple[bytes, bytes]]:
    """The optional parts of a PNG, in an order that its standard allows."""
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
        yield b"pHYs", struct.pack(">IIB", *(round(part / _INCH) for part in metadata.dpi), 1)
    if metadata.exif is not None:
        yield b"eXIf", exif_of_size(metadata.exif, *picture.colour.shape[:2])
    yield from _texts(metadata)


def _texts(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    info = PngInfo()
    for key, text in metadata.text:
        info.add_text(key, text)
    if metadata.xmp is not None:
        info.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode("utf-8", errors="replace"))
    yield from ((part[0], part[1]) for part in info.chunks)


def _fitting_profile(picture: Picture, *, gray: bool) -> bytes | None:
    """The profile where it is of the channels that are written; that of a CMYK image, say, is not."""
    fits = picture.profile is not None and picture.profile[16:20] == (b"GRAY" if gray else b"RGB ")
    return picture.profile if fits else None


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

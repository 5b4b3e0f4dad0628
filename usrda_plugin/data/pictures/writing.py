"""Pictures into files, each written whole or not at all: PNG, JPEG and WebP; and levels into entries of an LMDB."""

from __future__ import annotations

import os
import struct
import zlib
from io import BytesIO
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
from PIL import Image

from usrda_plugin.choices import Encoding
from usrda_plugin.data.pictures.metadata import png_chunks, save_arguments
from usrda_plugin.data.pictures.picture import Picture, as_8_bit

QUALITY = 95  # of JPEG and WebP: losses below what can be seen
WRITTEN = (".png", ".jpg", ".jpeg", ".webp")
LOSSY = (".jpg", ".jpeg", ".webp")
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
COMPRESSION: dict[Encoding, int] = {"ppm": 0, "png": 1}
"""The zlib level, as BasicSR's ``meta_info.txt`` states it."""
LARGEST_SIDE = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383}
_SIGNATURE_AND_HEADER = 33  # bytes of a PNG before its first optional chunk
_LONGEST_SEGMENT = 65_500  # of a JPEG


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
    how = save_arguments(picture, gray=colour.ndim == 2)
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
    Image.fromarray(colour).save(buffer, "WEBP", **loss, **save_arguments(picture, gray=False))
    return buffer.getvalue()


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
    parts = b"".join(_chunk(kind, body) for kind, body in png_chunks(picture, gray=levels.ndim == 2))
    return content[:_SIGNATURE_AND_HEADER] + parts + content[_SIGNATURE_AND_HEADER:]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

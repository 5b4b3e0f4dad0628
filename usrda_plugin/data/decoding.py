"""Image bytes to arrays, and levels to the unit range."""

from __future__ import annotations

import re

import cv2
import numpy as np

_PPM_HEADER = re.compile(rb"P6\s(\d{1,9})\s(\d{1,9})\s(255|65535)\s")


def decode(content: bytes | memoryview, where: str) -> np.ndarray:
    """Decode an image file to HWC RGB, uint8 or uint16, upright as its EXIF tag says.

    Alpha is dropped and gray repeated three times. Raises ValueError that names ``where`` if it is no readable image.
    """
    # together these keep 16 bits, which IMREAD_COLOR alone cuts, and heed EXIF, which IMREAD_UNCHANGED ignores
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH
    image = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    if image is None:
        raise ValueError(
            f"cannot read {where} as an image: it is empty, damaged or of an unknown format; remove or mend it"
        )
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"expected 8 or 16 bits per channel, found {image.dtype} in {where}; convert it to PNG")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def uncompressed(content: bytes | memoryview) -> np.ndarray | None:
    """View the pixels of a PPM file where they lie, not writable: HWC RGB, uint8 or big-endian uint16.

    Gives None for all other formats, for a PPM that is cut off, and for its rarer kinds, which ``decode`` may know.
    """
    header = _PPM_HEADER.match(content)
    if header is None:
        return None
    width, height, largest = (int(number) for number in header.groups())
    levels = np.dtype(np.uint8 if largest == 255 else ">u2")
    if len(content) < header.end() + height * width * 3 * levels.itemsize:
        return None
    pixels = np.frombuffer(content, levels, count=height * width * 3, offset=header.end())
    pixels.setflags(write=False)
    return pixels.reshape(height, width, 3)


def as_unit(levels: np.ndarray) -> np.ndarray:
    """Scale 8 or 16 bit levels to float32 in [0, 1]."""
    return levels.astype(np.float32) / np.float32(np.iinfo(levels.dtype).max)


def as_8_bit(levels: np.ndarray) -> np.ndarray:
    """Round 16 bit levels to 8 bits; 8 bit levels stay as they are."""
    if levels.dtype == np.uint8:
        return levels
    return np.round(levels / 257).astype(np.uint8)

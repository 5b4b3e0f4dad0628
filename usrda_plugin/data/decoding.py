"""Image bytes to arrays, and levels to the unit range."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps

from usrda_plugin.data.wholeness import Read, is_cut_off

LARGEST = 2**30
"""Pixels of an image that OpenCV takes, unless $OPENCV_IO_MAX_IMAGE_PIXELS says another number."""
_PPM_HEADER = re.compile(rb"P6\s(\d{1,9})\s(\d{1,9})\s(255|65535)\s")
_TIFF = (b"II*\0", b"MM\0*")
_BITS, _EXTRA_SAMPLES, _STRAIGHT = 258, 338, (2,)  # TIFF


def decode(content: bytes | memoryview, where: str) -> np.ndarray:
    """Decode an image file to HWC RGB, uint8 or uint16, upright as its EXIF tag says.

    Alpha is dropped and gray repeated three times. Raises ValueError that names ``where`` if it is no readable image.
    """
    refuse_cut_off(lambda start, stop: bytes(content[start:stop]), len(content), where)
    straight = straight_tiff(content)
    if straight is not None:
        return np.ascontiguousarray(straight[..., :3])
    # together these keep 16 bits, which IMREAD_COLOR alone cuts, and heed EXIF, which IMREAD_UNCHANGED ignores
    image = opencv_levels(content, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH, where)
    if image is None:
        raise ValueError(f"cannot read {where} as an image: it is damaged or of an unknown format; remove or mend it")
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"expected 8 or 16 bits per channel, found {image.dtype} in {where}; convert it to PNG")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def opencv_levels(content: bytes | memoryview, flags: int, where: str) -> np.ndarray | None:
    """Decode by OpenCV as ``flags`` say, or give None; raises ValueError that names what has too many pixels."""
    try:
        levels: np.ndarray | None = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:  # of a header that says nonsense
        if "CV_IO_MAX_IMAGE" in str(error):
            raise ValueError(_too_large(where)) from None
        return None
    return levels


def refuse_cut_off(read: Read, length: int, where: str) -> None:
    """Raise ValueError that names a file of no bytes, or one whose end is missing."""
    if not length:
        raise ValueError(f"cannot read {where} as an image: it is empty; remove it or put the image in its place")
    if is_cut_off(read, length):
        raise ValueError(f"cannot read {where} as an image: it is cut off; remove it or copy it again")


def refuse_large(height: int, width: int, where: str) -> None:
    """Raise ValueError that names an image of more pixels than OpenCV takes."""
    if height * width > LARGEST and "OPENCV_IO_MAX_IMAGE_PIXELS" not in os.environ:
        raise ValueError(_too_large(where))


@contextmanager
def of_any_size() -> Iterator[None]:
    """Let Pillow open large photographs, which are no attack here, without a warning or an error."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        yield
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def straight_tiff(content: bytes | memoryview) -> np.ndarray | None:
    """Decode a TIFF with straight alpha of 8 bits to HWC RGBA, upright: OpenCV would multiply its colours by alpha.

    Gives None for all other files.
    """
    if bytes(content[:4]) not in _TIFF:
        return None
    try:
        with of_any_size(), Image.open(BytesIO(content)) as image:
            tags: Any = image.tag_v2  # type: ignore[attr-defined]
            if tags.get(_EXTRA_SAMPLES) != _STRAIGHT or set(tags.get(_BITS, ())) != {8} or image.mode != "RGBA":
                return None
            return np.array(ImageOps.exif_transpose(image))
    except Exception:  # whatever Pillow stumbles over, OpenCV has the last word
        return None


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


def _too_large(where: str) -> str:
    return (
        f"cannot read {where} as an image: it has more pixels than OpenCV takes; cut it into several, or set "
        "OPENCV_IO_MAX_IMAGE_PIXELS"
    )

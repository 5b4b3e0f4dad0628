"""Image files that are unusual or damaged, made byte by byte or by Pillow, and what they must be read as."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import cv2
import numpy as np
from PIL import Image

ORIENTATION = 0x0112
Levels = np.ndarray
Made = tuple[bytes, Levels]
"""A file, and the levels (height, width, 3) that it must be read as: uint8 or uint16, RGB, upright."""


def smooth(height: int, width: int, seed: int = 0, dtype: type = np.uint8) -> Levels:
    """An image that a JPEG holds well."""
    coarse = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (5, 5, 3)).astype(dtype)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)


def saved(image: Image.Image, kind: str, **how: Any) -> bytes:
    """The file that Pillow writes."""
    buffer = BytesIO()
    image.save(buffer, kind, **how)
    return buffer.getvalue()


def tripled(gray: Levels) -> Levels:
    """Gray as three equal channels."""
    return np.dstack([gray] * 3)


def deep(levels: Levels, ending: str = ".png") -> Made:
    """16 bits in each channel."""
    wide = levels.astype(np.uint16) * 251 + 77
    return cv2.imencode(ending, wide[..., ::-1])[1].tobytes(), wide


def deep_gray(levels: Levels) -> Made:
    """16 bits of gray."""
    wide = levels[..., 0].astype(np.uint16) * 251 + 77
    return cv2.imencode(".png", wide)[1].tobytes(), tripled(wide)


def gray(levels: Levels) -> Made:
    """One channel."""
    return saved(Image.fromarray(levels[..., 0].copy()), "PNG"), tripled(levels[..., 0])


def gray_jpeg(levels: Levels) -> Made:
    """One channel, which a JPEG of this quality keeps to a level or two."""
    return saved(Image.fromarray(levels[..., 0].copy()), "JPEG", quality=100), tripled(levels[..., 0])


def bilevel(levels: Levels) -> Made:
    """One bit a pixel."""
    image = Image.fromarray(levels).convert("1")
    return saved(image, "PNG"), tripled(np.asarray(image).astype(np.uint8) * 255)


def palette(levels: Levels, kind: str = "PNG", **how: Any) -> Made:
    """32 colours, told by number."""
    image = Image.fromarray(levels).quantize(32)
    return saved(image, kind, **how), np.asarray(image.convert("RGB"))


def alpha_of(levels: Levels) -> Levels:
    """Alpha that is different from pixel to pixel, and nought somewhere."""
    height, width = levels.shape[:2]
    return (np.arange(height * width) * 7 % 256).astype(np.uint8).reshape(height, width)


def with_alpha(levels: Levels, kind: str = "PNG", **how: Any) -> Made:
    """Straight alpha, which is dropped: colours are as they are stored."""
    return saved(Image.fromarray(np.dstack([levels, alpha_of(levels)])), kind, **how), levels


def gray_with_alpha(levels: Levels) -> Made:
    """Gray and alpha."""
    planes = [Image.fromarray(plane) for plane in (levels[..., 0].copy(), alpha_of(levels))]
    return saved(Image.merge("LA", planes), "PNG"), tripled(levels[..., 0])


def cmyk(levels: Levels, kind: str = "JPEG", **how: Any) -> Made:
    """Four inks, converted by the plain formula without a colour profile."""
    return saved(Image.fromarray(levels).convert("CMYK"), kind, **how), levels


def turned(orientation: int, kind: str, **how: Any) -> Callable[[Levels], Made]:
    """A photograph whose EXIF tag says how the camera was held."""
    lying = {
        3: lambda image: image[::-1, ::-1],
        5: lambda image: image.swapaxes(0, 1),
        6: lambda image: image.swapaxes(0, 1)[::-1],
        8: lambda image: image.swapaxes(0, 1)[:, ::-1],
    }[orientation]

    def make(levels: Levels) -> Made:
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        stored = np.ascontiguousarray(lying(levels))
        return saved(Image.fromarray(stored), kind, exif=exif, **how), levels

    return make


def turned_with_alpha(levels: Levels) -> Made:
    """A TIFF with straight alpha whose tag says how the camera was held."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    stored = np.dstack([levels, alpha_of(levels)]).swapaxes(0, 1)[::-1]
    return saved(Image.fromarray(np.ascontiguousarray(stored)), "TIFF", exif=exif), levels


def turned_behind_the_pixels(levels: Levels) -> Made:
    """A PNG whose EXIF tag follows the pixels, as some programs write it."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    stored = saved(Image.fromarray(np.ascontiguousarray(levels.swapaxes(0, 1)[::-1])), "PNG")
    return stored[:-12] + chunk(b"eXIf", exif.tobytes()[6:]) + stored[-12:], levels


def with_more_behind(levels: Levels, kind: str = "JPEG", **how: Any) -> Made:
    """A photograph that is followed by a film, as phones write it."""
    return saved(Image.fromarray(levels), kind, **how) + b"\0\0\0\x18ftypmp42" + bytes(500), levels


def with_thumbnail(levels: Levels) -> Made:
    """A photograph with a smaller one, and its end, in front, and a film behind."""
    exif = b"Exif\0\0" + saved(Image.fromarray(levels[:8, :8].copy()), "JPEG")
    return saved(Image.fromarray(levels), "JPEG", exif=exif, **BEST) + b"film", levels


def pages(levels: Levels) -> Made:
    """Two images in a TIFF, of which the first counts."""
    other = Image.fromarray(255 - levels)
    return saved(Image.fromarray(levels), "TIFF", save_all=True, append_images=[other]), levels


def plain(kind: str, **how: Any) -> Callable[[Levels], Made]:
    """Nothing unusual but the format."""
    return lambda levels: (saved(Image.fromarray(levels), kind, **how), levels)


def chunk(kind: bytes, body: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


BEST = {"quality": 100, "subsampling": 0}
LOSSLESS = {"lossless": True, "exact": True}

# how each is made, and by how many 8 bit levels a lossy format may differ
UNUSUAL: dict[str, tuple[Callable[[Levels], Made], int]] = {
    "16 bits, PNG": (deep, 0),
    "16 bits, TIFF": (lambda levels: deep(levels, ".tif"), 0),
    "16 bits, PPM": (lambda levels: deep(levels, ".ppm"), 0),
    "16 bits, gray": (deep_gray, 0),
    "gray, PNG": (gray, 0),
    "gray, JPEG": (gray_jpeg, 2),
    "two levels": (bilevel, 0),
    "palette, PNG": (palette, 0),
    "palette with a transparent colour": (lambda levels: palette(levels, transparency=0), 0),
    "palette, BMP": (lambda levels: palette(levels, "BMP"), 0),
    "palette, TIFF": (lambda levels: palette(levels, "TIFF"), 0),
    "alpha, PNG": (with_alpha, 0),
    "alpha, WebP": (lambda levels: with_alpha(levels, "WEBP", **LOSSLESS), 0),
    "alpha, TIFF": (lambda levels: with_alpha(levels, "TIFF"), 0),
    "alpha, TIFF compressed": (lambda levels: with_alpha(levels, "TIFF", compression="tiff_lzw"), 0),
    "gray with alpha": (gray_with_alpha, 0),
    "CMYK, JPEG": (lambda levels: cmyk(levels, **BEST), 6),
    "CMYK, TIFF": (lambda levels: cmyk(levels, "TIFF"), 1),
    **{f"EXIF {turn}, JPEG": (turned(turn, "JPEG", **BEST), 6) for turn in (3, 5, 6, 8)},
    "EXIF 6, PNG": (turned(6, "PNG"), 0),
    "EXIF 8, PNG": (turned(8, "PNG"), 0),
    "EXIF 6 behind the pixels, PNG": (turned_behind_the_pixels, 0),
    "EXIF 6, WebP": (turned(6, "WEBP", **LOSSLESS), 0),
    "EXIF 6, TIFF": (turned(6, "TIFF"), 0),
    "a film behind, JPEG": (lambda levels: with_more_behind(levels, **BEST), 6),
    "a film behind, PNG": (lambda levels: with_more_behind(levels, "PNG"), 0),
    "a thumbnail in front, JPEG": (with_thumbnail, 6),
    "EXIF 6 and alpha, TIFF": (turned_with_alpha, 0),
    "two pages": (pages, 0),
    "progressive JPEG": (plain("JPEG", progressive=True, **BEST), 6),
    "JPEG 2000": (plain("JPEG2000"), 0),
}


def cut(kind: str, kept: float = 0.6, **how: Any) -> bytes:
    """A file of which the rest is missing."""
    content = saved(Image.fromarray(smooth(48, 48)), kind, **how)
    return content[: int(kept * len(content))]


def holed(kind: str) -> bytes:
    """A file as long as it should be, whose rest never came: the disk was full or the download broke off."""
    content = saved(Image.fromarray(smooth(48, 48)), kind)
    kept = len(content) * 6 // 10
    return content[:kept] + bytes(len(content) - kept)


def flipped(content: bytes, place: int, bit: int = 3) -> bytes:
    """One bit is another one."""
    changed = bytearray(content)
    changed[place] ^= 1 << bit
    return bytes(changed)


def promised(width: int, height: int) -> bytes:
    """A PNG whose header promises so many pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(9))), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def tiff(levels: np.ndarray) -> bytes:
    """A TIFF of a rarer kind."""
    return saved(Image.fromarray(levels), "TIFF")


# files that no pixels may be made of, and what is told of them
DAMAGED: dict[str, tuple[bytes, str]] = {
    "no bytes": (b"", "an empty file"),
    "no image": (b"this is no image", "found text"),
    "JPEG cut off": (cut("JPEG"), "that is cut off"),
    "JPEG cut off within its header": (cut("JPEG", 0.1), "that is cut off"),
    "progressive JPEG cut off": (cut("JPEG", progressive=True), "that is cut off"),
    "JPEG with a thumbnail cut off": (with_thumbnail(smooth(48, 48))[0][:-100], "that is cut off"),
    "JPEG without its last byte": (cut("JPEG", 0.9999), "that is cut off"),
    "JPEG with a hole": (holed("JPEG"), "that is cut off"),
    "PNG cut off": (cut("PNG"), "that is cut off"),
    "PNG without its last byte": (cut("PNG", 0.9999), "that is cut off"),
    "PNG with a hole": (holed("PNG"), "that is cut off"),
    "PNG with a flipped bit": (flipped(saved(Image.fromarray(smooth(48, 48)), "PNG"), 300), "damaged"),
    "WebP cut off": (cut("WEBP"), "that is cut off"),
    "BMP cut off": (cut("BMP"), "that is cut off"),
    "TIFF cut off": (cut("TIFF"), "that is cut off"),
    "PPM cut off": (cut("PPM"), "that is cut off"),
    "JPEG 2000 cut off": (cut("JPEG2000"), "that is cut off"),
    "32 bit floats": (tiff(np.zeros((48, 48), np.float32)), "expected 8 or 16 bits per channel"),
    "32 bit integers": (tiff(np.zeros((48, 48), np.int32)), "expected 8 or 16 bits per channel"),
    "more pixels than OpenCV takes": (promised(40000, 30000), "more pixels than OpenCV takes"),
}

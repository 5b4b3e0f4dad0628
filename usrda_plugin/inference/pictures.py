"""Image files as levels and back, with all that they carry: bits, gray, alpha, upright, colour profile."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from usrda_plugin.data.decoding import opencv_levels, straight_tiff

QUALITY = 95  # of JPEG and WebP: losses below what can be seen
WRITTEN = (".png", ".jpg", ".jpeg", ".webp")
LOSSY = (".jpg", ".jpeg", ".webp")
_ORIENTATION_TAG = 0x0112
LARGEST_SIDE = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383}
_SIGNATURE_AND_HEADER = 33  # bytes of a PNG before its first optional chunk

# by EXIF orientation, what makes an image upright
_UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: image.swapaxes(0, 1)[:, ::-1],
    7: lambda image: image[::-1, ::-1].swapaxes(0, 1),
    8: lambda image: image.swapaxes(0, 1)[::-1],
}


class Picture(NamedTuple):
    """An upright image: ``colour`` (h, w, 3) RGB or (h, w) gray, ``alpha`` (h, w), both of 8 or 16 bits.

    ``profile``: its ICC colour profile, None where there is none. ``frames``: how many pictures its file has.
    """

    colour: np.ndarray
    alpha: np.ndarray | None = None
    profile: bytes | None = None
    frames: int = 1


def read_picture(file: Path) -> Picture:
    """Read an image file. Raises OSError, and ValueError for what is no image of 8 or 16 bits, naming it."""
    content = file.read_bytes()
    levels = _levels(file, content)
    if levels is None:
        raise ValueError(f"{file}: expected an image, found an empty, damaged or unknown file")
    if levels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"{file}: expected 8 or 16 bits per channel, found {levels.dtype}; convert it to PNG")
    orientation, profile = _header(file, content)
    levels = np.ascontiguousarray(_UPRIGHT.get(orientation, lambda image: image)(levels))
    if levels.ndim == 2 or levels.shape[2] == 1:
        return Picture(levels.reshape(levels.shape[:2]), None, profile)
    if levels.shape[2] == 2:
        return Picture(np.ascontiguousarray(levels[..., 0]), np.ascontiguousarray(levels[..., 1]), profile)
    alpha = np.ascontiguousarray(levels[..., 3]) if levels.shape[2] == 4 else None
    return Picture(cv2.cvtColor(levels[..., :3], cv2.COLOR_BGR2RGB), alpha, profile)


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

    JPEG and WebP have 8 bits. Raises OSError, and ValueError for alpha in a JPEG or a suffix that is none of these.
    """
    content = _encode(file, picture, quality or QUALITY)
    # of this process and this target alone, beside it so that it can be renamed, and short whatever the target's name
    draft = file.with_name(f".{zlib.crc32(os.fsencode(file.name)):08x}.{os.getpid()}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        draft.replace(file)
    finally:
        draft.unlink(missing_ok=True)


def _encode(file: Path, picture: Picture, quality: int) -> bytes:
    suffix = file.suffix.lower()
    if suffix == ".png":
        return _png(picture)
    if suffix not in WRITTEN:
        raise ValueError(f"{file}: expected {', '.join(WRITTEN)}, found {suffix or 'no suffix'}")
    if suffix != ".webp" and picture.alpha is not None:
        raise ValueError(f"{file}: expected no alpha for a JPEG, found one; write it with --ext png or webp")
    colour, alpha = (_as_8_bit(plane) for plane in (picture.colour, picture.alpha))
    assert colour is not None
    if alpha is not None:
        colour = np.dstack([colour if colour.ndim == 3 else np.dstack([colour] * 3), alpha])
    buffer = BytesIO()
    profile = _fitting_profile(picture, gray=colour.ndim == 2 and suffix != ".webp")  # WebP has no gray
    how = {"icc_profile": profile} if profile else {}
    # full colour resolution: what the network has resolved is not to be averaged away
    sampling = {} if suffix == ".webp" else {"subsampling": 0}
    Image.fromarray(colour).save(buffer, {".webp": "WEBP"}.get(suffix, "JPEG"), quality=quality, **how, **sampling)
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
    profile = _fitting_profile(picture, gray=levels.ndim == 2)
    if profile is None:
        return content
    return content[:_SIGNATURE_AND_HEADER] + _profile_chunk(profile) + content[_SIGNATURE_AND_HEADER:]


def _fitting_profile(picture: Picture, *, gray: bool) -> bytes | None:
    """The profile where it is of the channels that are written; that of a CMYK image, say, is not."""
    fits = picture.profile is not None and picture.profile[16:20] == (b"GRAY" if gray else b"RGB ")
    return picture.profile if fits else None


def _profile_chunk(profile: bytes) -> bytes:
    body = b"iCCP" + b"ICC profile\0\0" + zlib.compress(profile)
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def _levels(file: Path, content: bytes) -> np.ndarray | None:
    """All channels in OpenCV's order; None where it is no image."""
    if not content:
        return None
    straight = straight_tiff(content)
    if straight is not None:
        return cv2.cvtColor(straight, cv2.COLOR_RGBA2BGRA)
    return opencv_levels(content, cv2.IMREAD_UNCHANGED, str(file))


def _header(file: Path, content: bytes) -> tuple[int, bytes | None]:
    """EXIF orientation and colour profile; 1 and None where Pillow does not know the format.

    Raises ValueError for a file that is cut short, of which older OpenCVs make an image with a gray rest.
    """
    try:
        with Image.open(BytesIO(content)) as header:
            # OpenCV turns TIFFs itself, whatever it is told
            orientation = 1 if header.format == "TIFF" else header.getexif().get(_ORIENTATION_TAG, 1)
            profile = header.info.get("icc_profile") or None
            if header.format in ("JPEG", "PNG", "WEBP"):
                header.load()
            return orientation, profile
    except UnidentifiedImageError:
        return 1, None
    except (OSError, ValueError, SyntaxError, TypeError, Image.DecompressionBombError) as error:
        raise ValueError(f"{file}: expected an image, found a damaged one ({error})") from None


def _as_8_bit(levels: np.ndarray | None) -> np.ndarray | None:
    if levels is None or levels.dtype == np.uint8:
        return levels
    return np.round(levels / 257).astype(np.uint8)

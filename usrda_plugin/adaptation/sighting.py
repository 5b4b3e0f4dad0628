"""What is kept of a photograph that was decoded once: its size and camera, and by what it is known again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from PIL import ExifTags, Image

from usrda_plugin.adaptation.enlargement import luma, repeated_period
from usrda_plugin.data.pictures import decode_picture
from usrda_plugin.weights.reading import sha256_of

SIDE = 32
"""Side of the small picture by which copies are known: whatever their size, they are the same there."""
EVEN = 1.5
"""Standard deviation, in 8-bit levels, of the small picture below which it shows nothing; noise is averaged out."""
_IFD = ExifTags.IFD.Exif
_MAKE, _MODEL, _ISO, _LENS = 0x010F, 0x0110, 0x8827, 0xA434


class Taken(NamedTuple):
    """What EXIF says of how a photograph was taken; None where it does not say."""

    camera: str | None = None
    lens: str | None = None
    iso: int | None = None


class Sighting(NamedTuple):
    """A decoded photograph: ``height`` and ``width`` upright; ``digest`` of its levels; ``small`` (32, 32) of gray.

    ``period``: after how many pixels it repeats a pattern of enlarging, or None.
    """

    height: int
    width: int
    size: int
    digest: bytes
    small: np.ndarray
    taken: Taken
    period: float | None

    @property
    def pixels(self) -> int:
        """How many pixels it has."""
        return self.height * self.width

    @property
    def is_even(self) -> bool:
        """Whether it shows one even area, as with a cap on the lens."""
        return float(self.small.std()) < EVEN


def sight(file: Path) -> Sighting:
    """Decode a photograph and keep what is needed of it. Raises OSError and UnreadableError, which name it."""
    content = file.read_bytes()
    picture = decode_picture(content, str(file))
    colour = picture.colour
    height, width = colour.shape[:2]
    small = luma(cv2.resize(colour, (SIDE, SIDE), interpolation=cv2.INTER_AREA))
    taken = taken_by(picture.metadata.exif)
    return Sighting(height, width, len(content), _digest(colour), small, taken, repeated_period(colour))


def same_bytes(files: Sequence[Path]) -> dict[Path, Path]:
    """Find the files that are another one's copies byte by byte, and the first of those by order.

    Only files of the same length are read. Files that cannot be read are no copies.
    """
    lengths: dict[int, list[Path]] = {}
    for file in files:
        with suppress(OSError):
            lengths.setdefault(file.stat().st_size, []).append(file)
    copies: dict[Path, Path] = {}
    for group in lengths.values():
        firsts: dict[str, Path] = {}
        for file in group if len(group) > 1 else ():
            with suppress(OSError):
                first = firsts.setdefault(sha256_of(file), file)
                if first != file:
                    copies[file] = first
    return copies


def _digest(colour: np.ndarray) -> bytes:
    """Tell levels apart; gray is the same as three equal channels."""
    levels = colour if colour.ndim == 3 else np.dstack([colour] * 3)
    digest = hashlib.blake2b(f"{levels.shape} {levels.dtype.name}".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(levels).data)
    return digest.digest()


def taken_by(exif: bytes | None) -> Taken:
    """Read camera, lens and sensitivity from a block of EXIF that begins with its byte order."""
    if exif is None:
        return Taken()
    tags = Image.Exif()
    with suppress(Exception):  # whatever a library stumbles over: damaged metadata is no reason to refuse a picture
        tags.load(b"Exif\0\0" + exif)
        inner = tags.get_ifd(_IFD)
        return Taken(_camera(_text(tags, _MAKE), _text(tags, _MODEL)), _text(inner, _LENS), _number(inner.get(_ISO)))
    return Taken()


def _camera(make: str | None, model: str | None) -> str | None:
    """A camera's name: its model, with the maker before it unless the model begins with it, as in NIKON D5500."""
    if not (make and model):
        return model or make
    return model if model.lower().startswith(make.split()[0].lower()) else f"{make} {model}"


def _text(tags: Any, tag: int) -> str | None:
    found = tags.get(tag)
    text = found.decode("utf-8", errors="replace") if isinstance(found, bytes) else str(found or "")
    return " ".join(text.replace("\0", " ").split()) or None


def _number(found: Any) -> int | None:
    first = found[0] if isinstance(found, tuple) and found else found
    return int(first) if isinstance(first, int) and first > 0 else None

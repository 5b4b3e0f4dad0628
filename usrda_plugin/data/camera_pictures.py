"""Whole pictures taken by a camera: an HR file in, an LR file out."""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path

import numpy as np

from usrda_plugin.data.camera import Camera
from usrda_plugin.data.pairs import taken_by
from usrda_plugin.data.pictures import Picture, decode_colour, write_picture
from usrda_plugin.data.sampler import sample_rng


def take_picture(camera: Camera, hr: Path, lr: Path, scale: int, *, name: str, seed: int = 0) -> None:
    """Read an HR picture, and write the LR picture that the camera would take of it, 8 bits, by the suffix of ``lr``.

    Colour alone is taken: alpha, colour profile and EXIF are left behind, and the picture is upright. Its noise is a
    function of ``seed`` and ``name``. Raises ValueError for a picture that is unreadable or smaller than ``scale``,
    OSError.
    """
    image = decode_colour(hr.read_bytes(), str(hr))
    if min(image.shape[:2]) < scale:
        raise ValueError(
            f"{hr}: expected {scale} pixels a side or more, found {image.shape[1]}x{image.shape[0]}; leave it out"
        )
    write_picture(lr, Picture(taken_by(camera, image, scale, noise_rng(seed, name))))


def noise_rng(seed: int, name: str) -> np.random.Generator:
    """Return the random generator of a picture's noise, the same for the same ``seed`` and ``name`` anywhere."""
    # some systems spell accents in two characters
    spelt = unicodedata.normalize("NFC", name).encode("utf-8", "surrogateescape")
    return sample_rng(seed, int.from_bytes(hashlib.sha256(spelt).digest()[:8], "big"))

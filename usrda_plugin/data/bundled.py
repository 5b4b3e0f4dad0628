"""Photographs that are installed with scikit-image: a source of HR images where the user gives none."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple


class Bundled(NamedTuple):
    """A photograph of scikit-image: its file, what it shows, and the terms that scikit-image states for it."""

    file: str
    shows: str
    terms: str


BUNDLED = (
    Bundled("astronaut.png", "a portrait in colour, 512x512", "public domain, NASA"),
    Bundled("chelsea.png", "a cat in colour, 451x300", "CC0, Stéfan van der Walt"),
    Bundled("coffee.png", "a cup on wood in colour, 600x400", "CC0, Rachel Michetti"),
    Bundled("rocket.jpg", "a launch pad in colour, 640x427", "public domain, SpaceX"),
    Bundled("camera.png", "a man with a camera on a meadow, gray, 512x512", "CC0, Lav Varshney"),
    Bundled("grass.png", "grass, gray, 512x512", "CC0, linolafett"),
)
"""Public domain or CC0, all six: so that networks may be trained on them for any use.

Together they have the mean spectrum of photographs: within .4 dB (rms over the bands) of that of 65 sharp ones of all
kinds, at scale 2 and at scale 4. The four in colour alone are 2 dB too smooth, and with all its textures the
spectrum is .6 and 1.6 dB off, the other way. Left out for that, or since no terms are stated for them: drawings, text,
pictures by microscopes and telescopes; bricks and gravel; the motorcycle and the moon.
"""


def bundled_photographs() -> list[Path]:
    """Return the files of the photographs in ``BUNDLED``, in its order.

    Raises FileNotFoundError where scikit-image is missing or has not all of them.
    """
    found = find_spec("skimage")
    names = [photograph.file for photograph in BUNDLED]
    if found is None or found.origin is None:
        raise FileNotFoundError(_message(names, "no scikit-image"))
    folder = Path(found.origin).parent / "data"
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise FileNotFoundError(_message(missing, f"none in {folder}"))
    return [folder / name for name in names]


def _message(names: list[str], found: str) -> str:
    return (
        f"expected the photographs that come with scikit-image ({', '.join(names)}), found {found}; install"
        " scikit-image again (pip install --force-reinstall scikit-image), or give HR photographs of your own"
    )

"""Pictures inside of a page: as good as they can be for the bytes that the page may have."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from usrda_plugin.data.pictures import Picture
from usrda_plugin.data.pictures.writing import encode_picture
from usrda_plugin.reports.scene import Scene

BUDGET = 8_000_000
"""Bytes of all pictures of a page, as they stand in it."""
QUALITIES = (None, 97, 93, 88, 80)
"""Qualities of WebP that are tried, one after the other; None is without loss."""
OVERVIEW_QUALITY = 80


class Inlined(NamedTuple):
    """A scene whose pictures are data: URLs: one for each view, and that of the overview."""

    scene: Scene
    views: list[str]
    overview: str


class InlinedScenes(NamedTuple):
    """The scenes of a page; ``quality`` in words; ``dropped``: how many scenes the page had no room for."""

    scenes: list[Inlined]
    quality: str
    dropped: int


def inline(scenes: Sequence[Scene], budget: int = BUDGET) -> InlinedScenes:
    """Turn scenes into data: URLs within a budget of bytes: at less quality where needed, then fewer scenes."""
    for quality in QUALITIES:
        inlined = [_inline(scene, quality) for scene in scenes]
        if sum(map(_bytes, inlined)) <= budget:
            break
    kept = len(inlined)
    while kept > 1 and sum(map(_bytes, inlined[:kept])) > budget:
        kept -= 1
    words = "without loss" if quality is None else f"as WebP of quality {quality}"
    return InlinedScenes(inlined[:kept], words, len(scenes) - kept)


def data_url(levels: np.ndarray, quality: int | None = None) -> str:
    """A picture (H, W, 3) RGB of 8 bits as a data: URL of a WebP; without loss where there is no ``quality``."""
    content = encode_picture(Path("picture.webp"), Picture(levels, lossless=True), quality)
    return f"data:image/webp;base64,{b64encode(content).decode('ascii')}"


def _inline(scene: Scene, quality: int | None) -> Inlined:
    views = [data_url(view.levels, quality) for view in scene.views]
    return Inlined(scene, views, data_url(scene.overview, OVERVIEW_QUALITY))


def _bytes(inlined: Inlined) -> int:
    return sum(map(len, inlined.views)) + len(inlined.overview)

"""What a page shows of a photograph: one place, as each network makes it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from usrda_plugin.reports.regions import Region


class View(NamedTuple):
    """What one network makes of a place: its name, and (H, W, 3) RGB of 8 bits."""

    name: str
    levels: np.ndarray


class Scene(NamedTuple):
    """One place of a photograph, as several networks make it.

    ``photograph``: the name to show; ``size``: its (width, height), and ``region`` its place, in LR pixels; ``views``:
    all of one size, ``scale`` times the region's; ``between``: the two names that the page opens with; ``difference``:
    the mean absolute difference of these two there, in 8-bit levels; ``score``: by what scenes are sorted;
    ``overview``: the whole photograph, small, (h, w, 3) RGB of 8 bits.
    """

    photograph: str
    size: tuple[int, int]
    region: Region
    scale: int
    views: tuple[View, ...]
    between: tuple[str, str]
    difference: float
    score: float
    overview: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """The names of its views, in order."""
        return tuple(view.name for view in self.views)

    @property
    def place(self) -> str:
        """Where it lies, in words: "right, near the top"."""
        (width, height), region = self.size, self.region
        if region.width * region.height > 0.8 * width * height:
            return "the whole photograph"
        across = (region.left + region.width / 2) / width
        down = (region.top + region.height / 2) / height
        column = "left" if across < 0.36 else "right" if across > 0.64 else "centre"
        row = "top" if down < 0.36 else "bottom" if down > 0.64 else "middle"
        return {"middle centre": "centre"}.get(f"{row} {column}", f"{row} {column}")

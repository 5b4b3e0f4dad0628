"""Photographs through several networks, and the places where the results differ most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from usrda_plugin.archs.bicubic import USRDABicubic
from usrda_plugin.data.pictures import UnreadableError, as_8_bit, read_picture
from usrda_plugin.inference import Tiling, Upscaler
from usrda_plugin.monitoring.measurement import evenly_spaced
from usrda_plugin.reports.opening import open_any
from usrda_plugin.reports.regions import Found, Region, busiest, differing
from usrda_plugin.reports.scene import Scene, View

SCENES, OF_EACH = 8, 2
"""How many places are shown at most, of all photographs and of one."""
WIDTH, HEIGHT = 480, 360
"""Size of a place in SR pixels."""
LARGEST_AREA, SMALLEST_AREA = 300_000, 16_000
"""LR pixels of a photograph that go through the networks, at most; of larger ones, the window with the most detail."""
WORK = 4e11
"""Multiplications that one network may spend on a photograph: about 10 s of two cores."""
MARGIN = 8
"""LR pixels beside the border, where networks see less, that are not shown."""
OVERVIEW = 128
"""Longer side of the small picture of a whole photograph."""
LEAST_SIDE = 16

Note = Callable[[str], None]


class NetworkFile(NamedTuple):
    """A file of weights, and the ``network_g`` block of an option file where the file does not tell its network."""

    file: Path
    description: Mapping[str, Any] | None = None


class LeftOut(NamedTuple):
    """A file that was not looked at, and why."""

    file: str
    reason: str


class Comparison(NamedTuple):
    """Scenes, where results differ most first, and of how many photographs; what was left out; what to say beside."""

    scenes: list[Scene]
    photographs: int = 0
    left_out: tuple[LeftOut, ...] = ()
    notes: tuple[str, ...] = ()


def compare_on(
    photographs: Sequence[Path],
    networks: Mapping[str, NetworkFile | Path | None],
    *,
    between: tuple[str, str] | None = None,
    limit: int = 6,
    device: str = "auto",
    note: Note = lambda text: None,
) -> Comparison:
    """Enlarge photographs by several networks and choose the places to show.

    Args:
        photographs: image files; ``limit`` of them, evenly spaced, are looked at.
        networks: by the name to show; None is bicubic enlargement by the others' scale.
        between: the two whose difference decides which places are shown; the last two by default.
        device: as of ``Upscaler``.
        note: is told what is being done, a line at a time.

    Raises:
        FileNotFoundError: no such file of weights.
        ValueError: a network cannot be opened, or they enlarge by different factors.
    """
    upscalers = _open(networks, device)
    names = between or tuple(networks)[-2:]
    if len(networks) < 2 or not set(names) <= set(networks):
        raise ValueError(f"expected two networks or more to compare, found {', '.join(networks) or 'none'}")
    chosen = [photographs[index] for index in evenly_spaced(len(photographs), min(limit, len(photographs)))]
    scenes: list[Scene] = []
    left_out: list[LeftOut] = []
    for number, file in enumerate(chosen, 1):
        note(f"photograph {number} of {len(chosen)}: {file.name}")
        try:
            scenes += _scenes(file, upscalers, (names[0], names[1]))
        except UnreadableError as fault:
            left_out.append(LeftOut(file.name, fault.reason))
        except (OSError, ValueError) as fault:
            left_out.append(LeftOut(file.name, str(fault)))
    scenes.sort(key=lambda scene: -scene.score)
    return Comparison(scenes[:SCENES], len(chosen) - len(left_out), tuple(left_out))


def _open(networks: Mapping[str, NetworkFile | Path | None], device: str) -> dict[str, Upscaler]:
    files = {name: NetworkFile(file) if isinstance(file, Path) else file for name, file in networks.items()}
    opened = {
        name: Upscaler(open_any(given.file, given.description), Tiling(), device=device)
        for name, given in files.items()
        if given is not None
    }
    scales = {name: upscaler.scale for name, upscaler in opened.items()}
    if len(set(scales.values())) > 1:
        listed = ", ".join(f"x{scale} ({name})" for name, scale in scales.items())
        raise ValueError(f"expected networks of one scale, found {listed}; compare those of one scale at a time")
    scale = next(iter(scales.values()), 4)
    bicubic = {name: Upscaler(USRDABicubic(scale), Tiling(), device=device) for name in files if files[name] is None}
    return {name: (opened | bicubic)[name] for name in networks}


def _scenes(file: Path, upscalers: Mapping[str, Upscaler], between: tuple[str, str]) -> list[Scene]:
    """The places of one photograph."""
    levels = as_8_bit(read_picture(file).colour)
    levels = levels if levels.ndim == 3 else np.dstack([levels] * 3)
    height, width = levels.shape[:2]
    if min(height, width) < LEAST_SIDE:
        raise ValueError(f"expected sides of {LEAST_SIDE} pixels or more, found {width}x{height}")
    window = busiest(levels, min(_affordable(upscaler) for upscaler in upscalers.values()))
    enlarged = {name: upscaler.levels(window.cut(levels)) for name, upscaler in upscalers.items()}
    scale = next(iter(upscalers.values())).scale
    scenes = []
    for found in _on_the_grid(enlarged[between[0]], enlarged[between[1]], scale):
        large = found.region.times(scale)
        views = tuple(View(name, np.ascontiguousarray(large.cut(result))) for name, result in enlarged.items())
        shown = dict(views)
        difference = np.abs(shown[between[0]].astype(np.int16) - shown[between[1]]).mean()
        scenes.append(
            Scene(
                file.name, (width, height), found.region.moved(window.left, window.top), scale, views, between,
                float(difference), found.score, _overview(levels),
            )
        )  # fmt: skip
    return scenes


def _on_the_grid(before: np.ndarray, after: np.ndarray, scale: int) -> list[Found]:
    """The regions in LR pixels where results differ most."""
    found = differing(before, after, (WIDTH, HEIGHT), count=OF_EACH, margin=MARGIN * scale)
    # of whole LR pixels: rounded down, and to their size from the first
    return [Found(Region(*(value // scale for value in each.region)), each.score) for each in found]


def _affordable(upscaler: Upscaler) -> int:
    if upscaler.engine.device.type != "cpu":
        return LARGEST_AREA
    weights = sum(parameter.numel() for parameter in upscaler.engine.network.parameters())
    return int(min(max(WORK / max(weights, 1), SMALLEST_AREA), LARGEST_AREA))


def _overview(levels: np.ndarray) -> np.ndarray:
    height, width = levels.shape[:2]
    shrink = min(OVERVIEW / max(height, width), 1)
    size = max(round(width * shrink), 1), max(round(height * shrink), 1)
    return cv2.resize(levels, size, interpolation=cv2.INTER_AREA)

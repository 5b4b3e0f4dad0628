"""Pieces of photographs to look at while a network learns, where there is no ground truth to measure against."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from usrda_plugin.adaptation.enlargement import luma
from usrda_plugin.adaptation.found import Survey
from usrda_plugin.data.pictures import as_8_bit, decode_colour

BLUR = 1.5
"""Standard deviation, in pixels, of what is taken off before detail is measured, so that noise is not taken for it."""
DARKEST, LIGHTEST = 5, 250
"""8-bit levels beyond which a place is clipped and shows nothing of the camera."""
MOST_CLIPPED = 0.02
STRIP = 1024
"""Rows that are looked at together, so that memory does not grow with the photograph."""


class Crop(NamedTuple):
    """A piece of a photograph: its name, and its levels, HWC RGB of 8 bits."""

    name: str
    levels: np.ndarray


def validation_crops(survey: Survey, number: int = 8, side: int = 160) -> list[Crop]:
    """Cut one square out of each of ``number`` photographs, evenly spaced in their order: where most detail is.

    A photograph that is smaller is taken whole. The same survey gives the same crops. A name is the photograph's
    path below the folder, joined by ``_`` and without suffix, with a number in front where two would be the same.
    """
    chosen = spread_evenly(len(survey.used), number)
    names: set[str] = set()
    crops = []
    for place in chosen:
        path = survey.used[place].path
        colour = decode_colour(path.read_bytes(), str(path))
        top, left = most_detailed(colour, side)
        stem = survey.name(path).removesuffix(path.suffix).strip("/").replace("/", "_")
        name = stem if stem not in names else f"{place:04d}_{stem}"
        names.add(name)
        crops.append(Crop(name, as_8_bit(np.ascontiguousarray(colour[top : top + side, left : left + side]))))
    return crops


def spread_evenly(length: int, number: int) -> list[int]:
    """The numbers of ``number`` things of ``length``, the middle of each equal part; all where there are fewer."""
    if length <= number:
        return list(range(length))
    return [(2 * part + 1) * length // (2 * number) for part in range(number)]


def most_detailed(colour: np.ndarray, side: int) -> tuple[int, int]:
    """Find (top, left) of the square that has the most detail, of those that are hardly clipped if there are any.

    ``colour``: HWC RGB of 8 or 16 bits. Squares begin at every quarter of their side.
    """
    step = max(side // 4, 1)
    detail, clipped = (_boxes(cells, side // step) for cells in _cells(colour, step))
    allowed = clipped <= MOST_CLIPPED
    best = int(np.argmax(np.where(allowed, detail, -1.0) if allowed.any() else detail * (1 - clipped)))
    row, column = divmod(best, detail.shape[1])
    height, width = colour.shape[:2]
    return max(min(row * step, height - side), 0), max(min(column * step, width - side), 0)


def _cells(colour: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean detail, and the part that is clipped, of each cell of ``step`` x ``step`` pixels."""
    rows = list(_rows_of_cells(colour, step))
    return np.concatenate([detail for detail, _ in rows]), np.concatenate([clipped for _, clipped in rows])


def _rows_of_cells(colour: np.ndarray, step: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    height, width = colour.shape[:2]
    strip = max(STRIP // step, 1) * step
    for top in range(0, max(height // step, 1) * step, strip):
        gray = luma(colour[top : min(top + strip, max(height // step, 1) * step), : max(width // step, 1) * step])
        size = (max(gray.shape[1] // step, 1), max(gray.shape[0] // step, 1))
        smooth = cv2.GaussianBlur(gray, (0, 0), BLUR)
        across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)
        is_clipped = ((gray < DARKEST) | (gray > LIGHTEST)).astype(np.float32)
        detail, clipped = (
            np.asarray(cv2.resize(of, size, interpolation=cv2.INTER_AREA))
            for of in (cv2.magnitude(across, down), is_clipped)
        )
        yield detail, clipped


def _boxes(cells: np.ndarray, number: int) -> np.ndarray:
    """Means over squares of ``number`` x ``number`` cells, by their first cell; of all cells where there are fewer."""
    rows, columns = min(number, cells.shape[0]), min(number, cells.shape[1])
    windows = np.lib.stride_tricks.sliding_window_view(cells, (rows, columns))
    means: np.ndarray = windows.mean((2, 3))
    return means

"""Which photographs are one picture, saved twice: in another quality, format or size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from usrda_plugin.adaptation.sighting import Sighting

HASHES = ((8, 5), (16, 24))
"""Sides of the difference hashes, and how many of their 64 and 256 bits may differ in a copy."""
MEAN, MOST = 1.5, 12.0
"""Mean and largest difference, in 8-bit levels, between places of the small pictures of copies.

A JPEG keeps a place's mean to about a level; what moves between two photographs of a series changes some by more.
"""
ASPECT = 0.02
"""Difference of height / width that comes from rounding a copy's sides."""


class Copy(NamedTuple):
    """That ``of``, by its number, is the same picture as ``number``; ``is_exact``: pixel by pixel."""

    number: int
    of: int
    is_exact: bool


def find_copies(seen: Sequence[Sighting]) -> list[Copy]:
    """Find pictures that another one of them repeats.

    Kept is the one with the most pixels, then with the largest file (packed with the least loss), then the first.
    """
    order = sorted(range(len(seen)), key=lambda number: (-seen[number].pixels, -seen[number].size, number))
    hashes = [_difference_hashes(np.stack([one.small for one in seen]), side) for side, _ in HASHES] if seen else []
    kept: list[int] = []
    exact: dict[bytes, int] = {}
    copies = []
    for number in order:
        one = seen[number]
        same = exact.get(one.digest)
        if same is not None:
            copies.append(Copy(number, same, True))
            continue
        exact[one.digest] = number
        like = next((other for other in _alike(hashes, number, kept) if _is_resaved(one, seen[other])), None)
        if like is None:
            kept.append(number)
        else:
            copies.append(Copy(number, like, False))
            exact[one.digest] = like
    return copies


def _difference_hashes(small: np.ndarray, side: int) -> np.ndarray:
    """Tell, of gray pictures (n, 32, 32), where it gets lighter to the right: (n, side * side) of -1 and 1."""
    shrunk = [cv2.resize(one, (side + 1, side), interpolation=cv2.INTER_AREA) for one in small]
    return np.stack([np.where(one[:, 1:] > one[:, :-1], 1, -1).ravel() for one in shrunk]).astype(np.float32)


def _alike(hashes: Sequence[np.ndarray], number: int, kept: Sequence[int]) -> list[int]:
    """Which of ``kept`` have nearly the same hashes as ``number``, of both sizes."""
    others = np.asarray(kept, dtype=np.intp)
    for bits, (side, most) in zip(hashes, HASHES, strict=True):
        differ = (side * side - bits[others] @ bits[number]) / 2
        others = others[differ <= most]
    return [int(other) for other in others]


def _is_resaved(one: Sighting, other: Sighting) -> bool:
    difference = np.abs(one.small - other.small)
    aspects = one.height / one.width, other.height / other.width
    is_same_shape = abs(aspects[0] / aspects[1] - 1) <= ASPECT
    return bool(is_same_shape and difference.mean() <= MEAN and difference.max() <= MOST)

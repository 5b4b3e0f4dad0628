"""Which places of a picture are worth a look: where there is detail, and where two results differ in structure."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601, for RGB."""
FINE, COARSE = 1.0, 12.0
"""Standard deviations, in pixels, of the Gaussians between which differences count: finer is noise, coarser colour."""
AROUND = 4.0
"""Standard deviation, in pixels, of the neighbourhood in which the energy of a difference is averaged."""
EVERYWHERE = 2.0
"""Energy below so many times the median is what the whole picture has, such as noise that one has removed."""


class Region(NamedTuple):
    """A rectangle of pixels."""

    left: int
    top: int
    width: int
    height: int

    def cut(self, levels: np.ndarray) -> np.ndarray:
        """The part of (H, W, ...) that lies in it."""
        return levels[self.top : self.top + self.height, self.left : self.left + self.width]

    def times(self, scale: int) -> Region:
        """The same place of a picture ``scale`` times as large."""
        return Region(*(scale * value for value in self))

    def moved(self, left: int, top: int) -> Region:
        """The same size elsewhere."""
        return self._replace(left=self.left + left, top=self.top + top)


class Found(NamedTuple):
    """A region, and how much the two results differ there: mean energy beyond what the picture has everywhere."""

    region: Region
    score: float


def busiest(levels: np.ndarray, area: int) -> Region:
    """The window of at most ``area`` pixels, of the picture's shape, that has the most detail of (H, W, 3) levels.

    Detail is the magnitude of the gradient of luma. A picture that is small enough is its own window.
    """
    height, width = levels.shape[:2]
    if height * width <= area:
        return Region(0, 0, width, height)
    shrink = (area / (height * width)) ** 0.5
    size = max(int(width * shrink), 1), max(int(height * shrink), 1)
    luma = levels.astype(np.float32) @ LUMA
    detail = cv2.magnitude(cv2.Sobel(luma, cv2.CV_32F, 1, 0), cv2.Sobel(luma, cv2.CV_32F, 0, 1))
    return _highest(_window_means(detail, size), size).region


def differing(before: np.ndarray, after: np.ndarray, size: tuple[int, int], *, count: int, margin: int) -> list[Found]:
    """The regions of (width, height) where two pictures (H, W, 3) of 8-bit levels differ most, the most first.

    At most ``count``, none of which meet, and where there is room ``margin`` pixels from the border. What counts is the
    energy of luma's difference between two Gaussians (fine noise and shifts of colour do not), as far as it is more
    than the picture has everywhere.
    """
    height, width = before.shape[:2]
    size = min(size[0], width), min(size[1], height)
    left, top = min(margin, (width - size[0]) // 2), min(margin, (height - size[1]) // 2)
    inner = Region(left, top, width - 2 * left, height - 2 * top)
    means = _window_means(inner.cut(difference_energy(before, after)), size)
    found: list[Found] = []
    while len(found) < count and np.isfinite(means.max()):
        best = _highest(means, size)
        found.append(Found(best.region.moved(inner.left, inner.top), best.score))
        across, down = (slice(max(at - side + 1, 0), at + side) for at, side in zip(best.region[:2], size, strict=True))
        means[down, across] = -np.inf
    return found


def difference_energy(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The local energy (H, W) of the band of luma's difference, beyond what the picture has everywhere; from 0."""
    luma = (after.astype(np.float32) - before.astype(np.float32)) @ LUMA
    band = cv2.GaussianBlur(luma, (0, 0), FINE) - cv2.GaussianBlur(luma, (0, 0), COARSE)
    energy = cv2.GaussianBlur(band**2, (0, 0), AROUND)
    beyond: np.ndarray = (energy - EVERYWHERE * np.median(energy)).clip(min=0)
    return beyond


def _window_means(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The mean of values (H, W) in each window of (width, height), by its top left corner."""
    width, height = size
    sums = cv2.integral(values, sdepth=cv2.CV_64F)
    corners = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    means: np.ndarray = corners / (width * height)
    return means


def _highest(means: np.ndarray, size: tuple[int, int]) -> Found:
    top, left = np.unravel_index(int(means.argmax()), means.shape)
    return Found(Region(int(left), int(top), *size), float(means[top, left]))

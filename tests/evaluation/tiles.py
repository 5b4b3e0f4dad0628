"""Tiles of the photographs that scikit-image brings, and changes of them that are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import skimage
import torch

from usrda_plugin.data.patches import to_tensor
from usrda_plugin.evaluation.statistics import CROP, Statistics, joined, photograph_statistics

TILE = 2 * CROP
NAMES = ("astronaut.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")
Change = Callable[[np.ndarray, float], np.ndarray]


def blur(tile: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian lens, of a deviation in pixels."""
    return cv2.GaussianBlur(tile, (0, 0), sigma) if sigma else tile


def add_noise(tile: np.ndarray, levels: float) -> np.ndarray:
    """White noise of its own for each colour, of a deviation in levels."""
    drawn = np.random.default_rng(int(tile.sum())).standard_normal(tile.shape)
    return (tile + levels * drawn).round().clip(0, 255).astype(np.uint8)


def jpeg(tile: np.ndarray, loss: float) -> np.ndarray:
    """A JPEG file of quality 100 - loss."""
    if not loss:
        return tile
    done, content = cv2.imencode(".jpg", tile[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(100 - loss)])
    assert done
    return cv2.imdecode(content, cv2.IMREAD_COLOR)[..., ::-1]


def cast(tile: np.ndarray, levels: float) -> np.ndarray:
    """More red and less blue."""
    return (tile + levels * np.array([1, 0, -1])).round().clip(0, 255).astype(np.uint8)


def cut_tiles() -> list[np.ndarray]:
    """Tiles of 128 x 128 pixels, RGB."""
    images = [cv2.imread(str(Path(skimage.__file__).parent / "data" / name))[..., ::-1] for name in NAMES]
    return [
        np.ascontiguousarray(image[top : top + TILE, left : left + TILE])
        for image in images
        for top in range(0, image.shape[0] - TILE + 1, TILE)
        for left in range(0, image.shape[1] - TILE + 1, TILE)
    ]


def statistics(tiles: Sequence[np.ndarray], change: Change = blur, strength: float = 0) -> Statistics:
    """The statistics of tiles that have been changed, four crops of each."""
    return joined([photograph_statistics(crops(change(tile, strength))) for tile in tiles])


def crops(tile: np.ndarray) -> torch.Tensor:
    """Its quarters, (4, 3, 64, 64) in [0, 1]."""
    quarters = [tile[top : top + CROP, left : left + CROP] for top in (0, CROP) for left in (0, CROP)]
    return torch.stack([to_tensor(quarter.astype(np.float32) / 255) for quarter in quarters])

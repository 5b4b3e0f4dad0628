"""Photographs for the tests: real ones where they are at hand, and pictures whose pixels say where they come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture
def write() -> Callable[[Path, np.ndarray], Path]:
    """Write an RGB, gray or RGBA image under a name."""

    def write(file: Path, image: np.ndarray) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        order = {2: None, 3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}[
            image.ndim if image.ndim == 2 else image.shape[2]
        ]
        assert cv2.imwrite(str(file), image if order is None else cv2.cvtColor(image, order))
        return file

    return write


@pytest.fixture
def noise() -> Callable[..., np.ndarray]:
    """Make an RGB image of random levels."""

    def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)

    return noise


@pytest.fixture
def noise_folder(tmp_path: Path, write: Callable, noise: Callable) -> Path:
    """A folder of five images of random levels, 40x48."""
    for number in range(5):
        write(tmp_path / "noise" / f"{number}.png", noise(40, 48, number))
    return tmp_path / "noise"


@pytest.fixture
def map_folder(tmp_path: Path, write: Callable) -> Callable[..., Path]:
    """Make a folder of images whose red, green and blue are a pixel's row, its column and the number of its image."""

    def map_folder(name: str, count: int, height: int, width: int) -> Path:
        rows, columns = np.mgrid[:height, :width]
        for number in range(count):
            image = np.stack([rows, columns, np.full_like(rows, number)], axis=2).astype(np.uint8)
            write(tmp_path / name / f"{number}.png", image)
        return tmp_path / name

    return map_folder

"""Pictures that metrics are compared on: BGR uint8, as BasicSR reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage
from scipy.ndimage import gaussian_filter

Picture = Callable[[str], np.ndarray]


@pytest.fixture(scope="session")
def photograph() -> Picture:
    """A photograph that comes with scikit-image."""

    def read(name: str) -> np.ndarray:
        return cv2.imread(str(Path(skimage.__file__).parent / "data" / name))

    return read


@pytest.fixture(scope="session")
def textured() -> np.ndarray:
    """Clouds, 205x301."""
    rough = gaussian_filter(np.random.default_rng(0).normal(size=(205, 301, 3)), (1.5, 1.5, 0))
    return (128 + 400 * rough).clip(0, 255).astype(np.uint8)

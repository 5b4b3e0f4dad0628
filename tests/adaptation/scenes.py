"""Pictures that are like photographs: edges of all sizes and directions, and a sensor's noise."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np


@cache
def scene(seed: int, height: int = 160, width: int = 200) -> np.ndarray:
    """Leaves that lie over each other, the dead leaves model of natural pictures, slightly blurred and noisy."""
    rng = np.random.default_rng(seed)
    picture = np.full((2 * height, 2 * width, 3), 128, np.uint8)
    for _ in range(height * width // 120):
        radius = min(2.0 / rng.uniform(0.01, 1), 60)
        place = int(rng.integers(2 * width)), int(rng.integers(2 * height))
        axes = int(radius) + 1, int(radius * rng.uniform(0.3, 1)) + 1
        cv2.ellipse(picture, place, axes, float(rng.uniform(0, 180)), 0, 360, rng.integers(20, 235, 3).tolist(), -1)
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    levels = np.clip(small + rng.normal(0, 1.5, small.shape), 0, 255).round().astype(np.uint8)
    levels.setflags(write=False)
    return levels

"""Levels of 8 or 16 bits to the unit range, and 16 to 8 bits."""

from __future__ import annotations

import numpy as np


def as_unit(levels: np.ndarray) -> np.ndarray:
    """Scale 8 or 16 bit levels to float32 in [0, 1]."""
    return levels.astype(np.float32) / np.float32(np.iinfo(levels.dtype).max)


def as_8_bit(levels: np.ndarray) -> np.ndarray:
    """Round 16 bit levels to 8 bits; 8 bit levels stay as they are."""
    if levels.dtype == np.uint8:
        return levels
    return np.round(levels / 257).astype(np.uint8)

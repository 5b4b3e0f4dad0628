"""How a source LR image is made from its HR photograph: MATLAB's antialiased bicubic ``imresize``."""

from __future__ import annotations

from functools import cache
from math import ceil

import numpy as np


def bicubic_downsample(image: np.ndarray, scale: int) -> np.ndarray:
    """Shrink an image by an integer factor as MATLAB's ``imresize(image, 1 / scale)`` does.

    ``image`` is HW or HWC of any range; the result has ``ceil(H / scale)`` x ``ceil(W / scale)`` pixels. As in MATLAB
    the type decides: integers come back as integers, rounded and clipped after each of the two passes; all else comes
    back as float32, neither rounded nor clipped. Raises ValueError for a scale that is no whole number above zero.
    """
    if scale != int(scale) or scale < 1:
        raise ValueError(f"bicubic_downsample: scale must be a whole number above zero, found {scale}")
    scale, whole_numbers = int(scale), np.issubdtype(image.dtype, np.integer)
    planes = np.moveaxis(np.atleast_3d(image), 2, 0).astype(np.float32, order="C")
    for axis in (1, 2):  # rows first: with a rounding in between, the order shows
        planes = _shrink(planes, axis, scale)
        if whole_numbers:
            planes = np.clip(np.floor(planes + 0.5), 0, np.iinfo(image.dtype).max)
    result = np.moveaxis(planes, 0, 2).astype(image.dtype if whole_numbers else np.float32, order="C")
    return result.reshape(*result.shape[:2], *image.shape[2:])


def kernel_reach(scale: int) -> int:
    """Tell how many HR pixels beyond whole LR pixels the antialiased kernel looks: a multiple of ``scale``."""
    return 2 * scale if scale > 1 else 0


def _cubic(x: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel with a = -0.5."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x <= 2, far, 0))


@cache
def _taps(scale: int) -> tuple[tuple[int, float], ...]:
    """The (offset, weight) of each HR pixel that makes an LR pixel, counted from ``kernel_reach`` before its block."""
    reach = kernel_reach(scale)
    weights = _cubic((np.arange(2 * reach + scale) - reach - (scale - 1) / 2) / scale)
    weights /= weights.sum()
    return tuple((offset, float(weight)) for offset, weight in enumerate(weights) if weight)


def _shrink(planes: np.ndarray, axis: int, scale: int) -> np.ndarray:
    """One pass along an axis, mirrored at its ends: a sum of strided slices, as all LR pixels have the same weights."""
    length, reach = planes.shape[axis], kernel_reach(scale)
    count = ceil(length / scale)
    ends = [(0, 0)] * planes.ndim
    ends[axis] = (reach, reach + count * scale - length)
    lines = np.swapaxes(np.pad(planes, ends, mode="symmetric"), axis, 0)
    slices = (lines[offset : offset + (count - 1) * scale + 1 : scale] * weight for offset, weight in _taps(scale))
    return np.swapaxes(sum(slices, start=np.float32(0)), 0, axis)

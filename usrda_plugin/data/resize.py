"""MATLAB's antialiased bicubic ``imresize``, by which a source LR image is made from its HR photograph."""

from __future__ import annotations

from functools import cache

import numpy as np


def bicubic_downsample(image: np.ndarray, scale: int) -> np.ndarray:
    """Shrink an image by an integer factor as MATLAB's ``imresize(image, 1 / scale)`` does.

    ``image`` is HW or HWC of any range; the result has ``ceil(H / scale)`` x ``ceil(W / scale)`` pixels. As in MATLAB
    the type decides: integers come back as integers, rounded and clipped after each of the two passes; all else comes
    back as float32, neither rounded nor clipped. Raises ValueError for a scale that is no whole number above zero.
    """
    if scale != int(scale) or scale < 1:
        raise ValueError(f"bicubic_downsample: scale must be a whole number above zero, found {scale}")
    scale = int(scale)
    reach = kernel_reach(scale)
    ends = [(reach, reach + -length % scale) for length in image.shape[:2]] + [(0, 0)] * (image.ndim - 2)
    return bicubic_inside(np.pad(image, ends, mode="symmetric"), scale)


def bicubic_inside(image: np.ndarray, scale: int) -> np.ndarray:
    """Shrink as ``bicubic_downsample`` does, without the LR pixels whose kernel looks beyond the image.

    So from each of its four sides ``kernel_reach(scale)`` HR pixels are seen, but not shrunk; what is left of height
    and width must be a multiple of the scale.
    """
    whole_numbers = np.issubdtype(image.dtype, np.integer)
    lines = image.astype(np.float32)
    for _ in range(2):  # rows first: with a rounding in between, the order shows
        lines = _shrink(lines, scale)
        if whole_numbers:
            lines += 0.5
            np.clip(np.floor(lines, out=lines), 0, np.iinfo(image.dtype).max, out=lines)
        lines = np.swapaxes(lines, 0, 1)
    return lines.astype(image.dtype if whole_numbers else np.float32, order="C")


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


def _shrink(lines: np.ndarray, scale: int) -> np.ndarray:
    """One pass along the first axis: a sum of strided slices, as all LR pixels have the same weights."""
    count = (len(lines) - 2 * kernel_reach(scale)) // scale
    flat = np.ascontiguousarray(lines).reshape(len(lines), -1)
    total = np.zeros((count, flat.shape[1]), np.float32)
    product = np.empty_like(total)
    # tap by tap: another order of summation would fall to other levels where a sum lies between two
    for offset, weight in _taps(scale):
        np.multiply(flat[offset : offset + (count - 1) * scale + 1 : scale], np.float32(weight), out=product)
        total += product
    return total.reshape(count, *lines.shape[1:])

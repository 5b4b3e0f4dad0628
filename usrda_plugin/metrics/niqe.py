"""NIQE that says "undefined" where BasicSR's crashes."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from basicsr.metrics.niqe import calculate_niqe
from basicsr.utils.registry import METRIC_REGISTRY

Niqe = Callable[..., float]

BLOCK = 96
"""NIQE fits a Gaussian to the features of blocks of this many pixels a side, so it needs at least two of them."""


def nan_where_undefined(niqe: Niqe) -> Niqe:
    """Wrap BasicSR's ``calculate_niqe``: nan and a warning where it is not defined, else its value."""

    def guarded(
        img: np.ndarray, crop_border: int, input_order: str = "HWC", convert_to: str = "y", **kwargs: Any
    ) -> float:
        height, width = img.shape[1:] if input_order == "CHW" and img.ndim == 3 else img.shape[:2]
        blocks = max(height - 2 * crop_border, 0) // BLOCK * (max(width - 2 * crop_border, 0) // BLOCK)
        if blocks < 2:
            size = f"{height}x{width} pixels, {crop_border} cut off each side"
            return _undefined(f"{size}, hold {blocks} of at least 2 blocks")
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # numpy's "mean of empty slice" on flat blocks
                value = niqe(img, crop_border, input_order=input_order, convert_to=convert_to, **kwargs)
        except np.linalg.LinAlgError:
            return _undefined("too few blocks of the image have any texture")
        return value if np.isfinite(value) else _undefined("too few blocks of the image have any texture")

    return guarded


def calculate_usrda_niqe(
    img: np.ndarray, crop_border: int, input_order: str = "HWC", convert_to: str = "y", **kwargs: Any
) -> float:
    """Return BasicSR's NIQE (lower is better), or nan and a warning where it is not defined.

    Arguments as BasicSR's ``calculate_niqe``: BGR or gray in [0, 255]. It is not defined for a flat image nor for fewer
    than two whole blocks of 96x96 pixels inside ``crop_border``.
    """
    original = inspect.unwrap(calculate_niqe)  # the runner may have guarded it already
    return nan_where_undefined(original)(img, crop_border, input_order, convert_to, **kwargs)


def _undefined(reason: str) -> float:
    warnings.warn(f"NIQE is not defined here, so it is nan: {reason}", stacklevel=3)
    return float("nan")


if calculate_usrda_niqe.__name__ not in METRIC_REGISTRY:  # registering twice would be an assertion error
    METRIC_REGISTRY.register(calculate_usrda_niqe)

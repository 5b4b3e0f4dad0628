"""Seam for NIQE."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from usrda_plugin.runner.seams.record import replace_everywhere


def survive_niqe() -> bool:
    """Let ``calculate_niqe`` answer nan, with a warning, for an image that it cannot judge."""
    niqe = import_module("basicsr.metrics.niqe")
    replace_everywhere(niqe, "calculate_niqe", _nan_where_undefined)
    import_module("basicsr.utils.registry").METRIC_REGISTRY._obj_map["calculate_niqe"] = niqe.calculate_niqe
    return True


def _nan_where_undefined(original: Callable[..., float]) -> Callable[..., float]:
    def calculate_niqe(
        img: np.ndarray[Any, Any], crop_border: int, input_order: str = "HWC", convert_to: str = "y", **kwargs: Any
    ) -> float:
        try:
            with warnings.catch_warnings():
                # empty means and divisions by zero come before the nan, or the error, that is reported below
                warnings.simplefilter("ignore", RuntimeWarning)
                score = original(img, crop_border, input_order=input_order, convert_to=convert_to, **kwargs)
        except (np.linalg.LinAlgError, RuntimeError):
            score = math.nan
        if math.isnan(score):
            warnings.warn(
                f"NIQE is not defined for this image of shape {img.shape} (less a border of {crop_border}): it takes"
                " at least two blocks of 96 x 96 pixels that are not flat; nan is reported",
                stacklevel=2,
            )
        return score

    return calculate_niqe

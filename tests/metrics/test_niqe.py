from __future__ import annotations

import importlib.util
import math

import numpy as np
import pytest
from basicsr.metrics import calculate_metric
from basicsr.metrics.niqe import calculate_niqe
from basicsr.utils.registry import METRIC_REGISTRY
from scipy.ndimage import gaussian_filter

from usrda_plugin.metrics import calculate_usrda_niqe, niqe


@pytest.fixture(scope="module")
def textured() -> np.ndarray:
    """BGR clouds, 205x301, in [0, 255]."""
    rough = gaussian_filter(np.random.default_rng(0).normal(size=(205, 301, 3)), (1.5, 1.5, 0))
    return (128 + 400 * rough).clip(0, 255).astype(np.uint8)


def test_equals_basicsr_where_it_is_defined(textured: np.ndarray) -> None:
    assert calculate_usrda_niqe(textured, 4) == calculate_niqe(textured, 4)


def test_takes_the_arguments_of_basicsr(textured: np.ndarray) -> None:
    planes = np.ascontiguousarray(textured.transpose(2, 0, 1))
    assert calculate_usrda_niqe(planes, 0, input_order="CHW", convert_to="gray") == calculate_niqe(
        planes, 0, input_order="CHW", convert_to="gray"
    )
    gray = textured[..., 0]
    assert calculate_usrda_niqe(gray, 0, input_order="HW") == calculate_niqe(gray, 0, input_order="HW")


def test_two_blocks_are_enough(textured: np.ndarray) -> None:
    assert math.isfinite(calculate_usrda_niqe(textured[:96, :192], 0))


@pytest.mark.parametrize("level", [0, 128])
def test_a_flat_image_is_nan_with_a_warning(level: int) -> None:
    with pytest.warns(UserWarning, match="NIQE is not defined here"):
        assert math.isnan(calculate_usrda_niqe(np.full((200, 200, 3), level, np.uint8), 0))


@pytest.mark.parametrize(("height", "width", "border"), [(95, 300, 0), (96, 191, 0), (96, 192, 1), (20, 20, 15)])
def test_fewer_than_two_blocks_are_nan_with_a_warning(
    height: int, width: int, border: int, textured: np.ndarray
) -> None:
    with pytest.warns(UserWarning, match=f"{height}x{width} pixels, {border} cut off"):
        assert math.isnan(calculate_usrda_niqe(textured[:height, :width], border))


def test_basicsr_finds_it_by_name(textured: np.ndarray) -> None:
    options = {"type": "calculate_usrda_niqe", "crop_border": 0}
    assert math.isfinite(calculate_metric({"img": textured[:96, :192], "img2": textured[:96, :192]}, options))


def test_registering_a_second_time_is_harmless() -> None:
    assert niqe.__file__ is not None
    spec = importlib.util.spec_from_file_location("niqe_again", niqe.__file__)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert METRIC_REGISTRY.get("calculate_usrda_niqe") is calculate_usrda_niqe

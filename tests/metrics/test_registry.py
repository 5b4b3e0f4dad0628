"""The table of metrics that the device computes, and how a metric enters it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_metric
from basicsr.utils.registry import METRIC_REGISTRY
from torch import Tensor

from usrda_plugin.metrics import (
    TENSOR_METRICS,
    colour_shift,
    lpips,
    needs_reference,
    niqe,
    psnr,
    register_metric,
    ssim,
    tensor_metric,
)
from usrda_plugin.metrics.levels import levels_of_picture


@pytest.mark.parametrize(
    ("name", "form"),
    [(f"calculate_{prefix}{form.__name__}", form) for form in (psnr, ssim, niqe) for prefix in ("", "usrda_")],
)
def test_basicsrs_names_and_ours_are_computed_on_the_device(name: str, form) -> None:
    metric = tensor_metric({"type": name, "crop_border": 4, "better": "lower"})
    assert metric.func is form
    assert metric.keywords == {"crop_border": 4}
    assert needs_reference(metric) is (form is not niqe)


@pytest.mark.parametrize(
    ("name", "form", "arguments"),
    [
        ("calculate_usrda_lpips", lpips, {"crop_border": 2, "weights": "alexnet.pth"}),
        ("calculate_usrda_colour_shift", colour_shift, {"crop_border": 2}),
    ],
)
def test_metrics_that_basicsr_has_not_are_computed_on_the_device(name: str, form, arguments) -> None:
    metric = tensor_metric({"type": name, "better": "lower", **arguments})
    assert metric.func is form
    assert metric.keywords == arguments
    assert needs_reference(metric)


@pytest.mark.parametrize(
    "options",
    [
        {"type": "calculate_mine", "crop_border": 4},
        {"type": "calculate_psnr", "crop_border": 4, "input_order": "CHW"},
        {"type": "calculate_niqe", "crop_border": 4, "convert_to": "gray"},
    ],
)
def test_what_has_no_tensor_form_is_left_to_numpy(options) -> None:
    assert tensor_metric(options) is None


def test_one_decorator_adds_a_metric(textured: np.ndarray, monkeypatch) -> None:
    def brightness(image: Tensor, crop_border: int) -> Tensor:
        return image.double().mean(dim=(1, 2, 3))

    monkeypatch.setattr(METRIC_REGISTRY, "_obj_map", dict(METRIC_REGISTRY._obj_map))
    monkeypatch.setattr("usrda_plugin.metrics.registry.TENSOR_METRICS", dict(TENSOR_METRICS))

    @register_metric(brightness)
    def calculate_brightness(img: np.ndarray, crop_border: int, **kwargs: object) -> float:
        return float(img.mean())

    options = {"type": "calculate_brightness", "crop_border": 0}
    metric = tensor_metric(options)
    assert metric is not None
    assert metric(image=levels_of_picture(textured)).item() == calculate_metric({"img": textured}, options)
    assert not needs_reference(metric)


def test_no_metric_waits_for_the_device(photograph, random_alexnet: Path, monkeypatch) -> None:
    levels = levels_of_picture(photograph("chelsea.png"))
    niqe(levels, 0)  # its tables are made once
    lpips(levels, levels, 0, str(random_alexnet))  # and its network
    for wait in ("item", "tolist", "cpu", "numpy", "__float__", "__bool__", "__int__"):
        monkeypatch.setattr(torch.Tensor, wait, lambda *_, wait=wait: pytest.fail(f"waited by {wait}"))
    for metric in (psnr, ssim):
        metric(levels, levels.flip(-1), 4, test_y_channel=True)
    lpips(levels, levels.flip(-1), 4, str(random_alexnet))
    colour_shift(levels, levels.flip(-1), 4)
    niqe(levels, 4)

"""A network that makes nan of an image is not measured by the black that its picture shows."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.models.test_validation import build, loader

METRICS = {
    "psnr": {"type": "calculate_psnr", "crop_border": 2},
    "niqe": {"type": "calculate_usrda_niqe", "crop_border": 0, "better": "lower"},
}


class Spoiled(nn.Module):
    """Spoils a number of what a network makes of the images from a certain one on."""

    def __init__(self, network: nn.Module, first: int, value: float) -> None:
        super().__init__()
        self.network, self.first, self.value, self.seen = network, first, value, 0

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.network(image)
        if self.seen >= self.first:
            made[0, 0, 0, 0] = self.value
        self.seen += 1
        return made


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_metric_of_what_is_not_finite_is_nan_and_never_the_best(tmp_path: Path, value: float) -> None:
    model = build(tmp_path, is_train=True, metrics=METRICS)
    network = model.net_g

    def validated(current_iter: int, first: int) -> dict[str, Any]:
        model.net_g = Spoiled(network, first, value)
        model.nondist_validation(loader(), current_iter, None, save_img=False)
        return dict(model.best_metric_results["clouds"])

    assert {best["iter"] for best in validated(1, first=0).values()} == {-1}
    assert all(math.isnan(mean) for mean in model.metric_results.values())
    assert {best["iter"] for best in validated(2, first=99).values()} == {2}
    finite = dict(model.metric_results)
    assert {best["iter"] for best in validated(3, first=2).values()} == {2}
    assert all(math.isnan(mean) for mean in model.metric_results.values()), "one image of three is enough"
    assert {name: best["val"] for name, best in model.best_metric_results["clouds"].items()} == finite

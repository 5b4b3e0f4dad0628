"""LR consistency and colour drift, by closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from usrda_plugin.data import bicubic_downsample
from usrda_plugin.monitoring.agreement import colour_drift, lr_consistency

LEVEL = 1 / 255


def photographs(side: int = 32) -> Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))


def shrunk(y: Tensor, scale: int) -> Tensor:
    images = [bicubic_downsample(image.permute(1, 2, 0).numpy(), scale) for image in y]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_an_image_whose_reduction_is_the_photograph_is_consistent(scale: int) -> None:
    y = photographs(side=64 * scale)
    # torch and MATLAB differ within 2 pixels of the border, where the image ends
    assert lr_consistency(y, shrunk(y, scale)) < 0.5
    assert lr_consistency(y, 1 - shrunk(y, scale)) > 4


@pytest.mark.parametrize("levels", [-3.0, 5.0])
def test_a_shift_of_all_pixels_is_that_many_levels_of_both(levels: float) -> None:
    y = photographs()
    x = shrunk(y, 2) - shrunk(y, 2) + 0.5
    y = torch.full_like(y, 0.5 + levels * LEVEL)
    assert lr_consistency(y, x).item() == pytest.approx(abs(levels), rel=1e-3)
    assert colour_drift(y, x).item() == pytest.approx(abs(levels), rel=1e-3)


def test_drifts_of_opposite_sign_do_not_cancel() -> None:
    x = torch.full((2, 3, 16, 16), 0.5)
    offsets = torch.tensor([[6.0, -6.0, 0.0], [0.0, 3.0, -3.0]])[..., None, None] * LEVEL
    y = torch.full((2, 3, 32, 32), 0.5) + offsets
    assert colour_drift(y, x).item() == pytest.approx((6 + 6 + 3 + 3) / 6, rel=1e-3)


def test_noise_of_the_camera_is_no_inconsistency_but_structure_is() -> None:
    x = torch.full((1, 3, 64, 64), 0.5)
    noisy = x + 10 * LEVEL * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    # a mean of 49 pixels has a seventh of their noise: |normal| of 10 / 7 has mean 1.14
    assert lr_consistency(torch.full((1, 3, 128, 128), 0.5), noisy).item() == pytest.approx(1.14, abs=0.1)
    halves = torch.cat([torch.full((1, 3, 128, 64), 0.45), torch.full((1, 3, 128, 64), 0.55)], dim=-1)
    assert lr_consistency(halves, x).item() > 10
    assert colour_drift(halves, x).item() < 0.01

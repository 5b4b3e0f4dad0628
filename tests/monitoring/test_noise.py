"""Noise in 8-bit levels, planted and found."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from usrda_plugin.monitoring.noise import camera_noise, rendered_noise


def gray_noise(levels: float, seed: int, shape: tuple[int, ...] = (4, 1, 96, 96)) -> Tensor:
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return (levels / 255 * noise).expand(-1, 3, -1, -1)


def scene() -> Tensor:
    """A smooth left half; to the right stripes of 100 levels, which are no noise."""
    ramp = torch.linspace(0.3, 0.7, 96).expand(4, 3, 96, 96).clone()
    ramp[..., 48:] += 0.2 * (torch.arange(48) // 3 % 2)
    return ramp


@pytest.mark.parametrize("levels", [1.0, 5.0])
def test_the_noise_of_two_renderings_is_found_whatever_they_show(levels: float) -> None:
    once, again = (scene() + gray_noise(levels, seed) for seed in (0, 1))
    assert rendered_noise(once, again).item() == pytest.approx(levels, rel=0.03)
    assert rendered_noise(once, once).item() == 0


@pytest.mark.parametrize("levels", [2.0, 6.0])
def test_the_noise_of_a_camera_is_found_beside_structure(levels: float) -> None:
    assert camera_noise(scene() + gray_noise(levels, 0)).item() == pytest.approx(levels, rel=0.1)


def test_a_clean_photograph_has_no_noise() -> None:
    assert camera_noise(scene()).item() < 0.05


def test_clipped_areas_do_not_count_as_flat() -> None:
    noisy = (scene() + gray_noise(4, 0)).clone()
    noisy[..., :24, :] = 0  # as flat as can be, and a quarter of the photograph
    assert camera_noise(noisy).item() == pytest.approx(4, rel=0.1)

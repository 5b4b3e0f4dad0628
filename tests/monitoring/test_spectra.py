"""The spectrum's rings, the gap between two spectra, and the grid, by closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from usrda_plugin.monitoring.signals import LOW, SEGMENT, grid, radial_power, spectrum_gap

LEVEL = 1 / 255


def white(seed: int = 0, levels: float = 20.0, side: int = 160) -> Tensor:
    """Gray noise around 1/2: (4, 3, side, side)."""
    noise = torch.randn(4, 1, side, side, generator=torch.Generator().manual_seed(seed))
    return (0.5 + levels * LEVEL * noise).expand(-1, 3, -1, -1)


def test_white_noise_has_its_variance_in_every_ring() -> None:
    power = radial_power(white()[:, 0], SEGMENT, SEGMENT // 2).mean(dim=(0, 1))
    assert power.shape == (SEGMENT // 2,)
    torch.testing.assert_close(power / (20 * LEVEL) ** 2, torch.ones(SEGMENT // 2), rtol=0.15, atol=0)


@pytest.mark.parametrize("cycles", [4, 11])
def test_a_wave_shows_in_the_ring_of_its_frequency(cycles: int) -> None:
    wave = torch.sin(2 * math.pi * cycles * torch.arange(SEGMENT) / SEGMENT).expand(1, SEGMENT, SEGMENT)
    for planes in (wave, wave.mT):
        assert radial_power(planes, SEGMENT, SEGMENT)[0, 0].argmax() + 1 == cycles


def test_equal_images_have_no_gap_and_contrast_makes_none() -> None:
    assert spectrum_gap(white(), white()).item() == pytest.approx(0, abs=1e-6)
    assert spectrum_gap(white(levels=40), white(levels=20)).item() == pytest.approx(0, abs=0.01)


def test_the_gap_of_a_blur_is_its_transfer_function() -> None:
    def blurred(images: Tensor) -> Tensor:
        kernel = torch.tensor([0.25, 0.5, 0.25]).expand(3, 1, 1, 3)
        return F.conv2d(F.pad(images, (1, 1, 0, 0), mode="circular"), kernel, groups=3)

    def both_ways(images: Tensor) -> Tensor:
        return blurred(blurred(images).mT).mT

    cycles = torch.fft.fftfreq(SEGMENT)
    transfer = ((1 + torch.cos(2 * math.pi * cycles)) / 2).square()
    ring = torch.hypot(cycles[:, None], cycles).mul(SEGMENT).round()
    power = [torch.outer(transfer, transfer)[ring == number].mean() for number in range(1, SEGMENT // 2 + 1)]
    decibels = 10 * torch.stack(power).log10()
    expected = (decibels[LOW.stop :] - decibels[LOW].mean()).abs().mean().item()
    assert expected > 3
    for first, second in ((both_ways(white(1)), white(1)), (white(1), both_ways(white(1)))):
        assert spectrum_gap(first, second).item() == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("period", [2, 3, 4])
def test_images_without_a_grid_have_1(period: int) -> None:
    assert grid(white(), period).item() == pytest.approx(1, abs=0.15)
    assert grid(torch.full((2, 3, 64, 64), 0.5), period).item() == pytest.approx(1)


@pytest.mark.parametrize("period", [2, 3, 4])
@pytest.mark.parametrize("lines", ["rows", "columns", "both"])
def test_a_planted_grid_has_its_power_over_that_of_the_noise(period: int, lines: str) -> None:
    """A comb of height a on noise s: a line of n pixels has a^2 n (2/3) / p^2 / s^2 more; 2/3 is the Hann window's.

    The high band, 1 - mean over 7 x 7, has at a frequency f of the comb the gain 1 - m, and for white noise, over all
    frequencies of the other axis, the power 1 - 2 m / 7 + m^2 / 7, where m is the mean's gain at f.
    """
    side, height, levels = 192, 6.0, 5.0
    comb = height * LEVEL * (torch.arange(side) % period == 0).float()
    images = white(levels=levels, side=side) + (comb if lines != "rows" else comb[:, None])
    if lines == "both":
        images = images + comb[:, None]
    mean = sum(math.cos(2 * math.pi * offset / period) for offset in range(-3, 4)) / 7
    gain = (1 - mean) ** 2 / (1 - 2 * mean / 7 + mean**2 / 7)
    expected = 1 + gain * height**2 * side * 2 / 3 / period**2 / levels**2
    assert grid(images, period).item() == pytest.approx(expected, rel=0.12)


def test_a_checkerboard_is_a_grid_though_neither_rows_nor_columns_alone_have_it() -> None:
    board = 4 * LEVEL * ((torch.arange(160)[:, None] + torch.arange(160)) % 2)
    assert board.mean(dim=0).std() < 1e-6
    assert grid(white(levels=3) + board, 2).item() > 10


def test_a_pattern_of_another_period_is_no_grid() -> None:
    stripes = 6 * LEVEL * (torch.arange(160) % 5 == 0).float()
    assert grid(white(levels=5) + stripes, 4).item() < 1.3

"""Where in the spectrum images have their power: the camera's blur and noise, and the traces of an upscaling grid."""

from __future__ import annotations

import torch
from torch import Tensor

from usrda_plugin.method import high_band, luma

QUANTISATION = 1 / 255**2 / 12
"""Power of rounding to 8-bit levels: what lies below it is not seen."""
SEGMENT = 32
"""Side of the windowed squares whose spectra are averaged; a band is 1 / 32 cycles a pixel wide."""
LOW = slice(1, 4)
"""Bands that blur and noise hardly move (up to 1/8 cycles a pixel), by which renderings and photographs are matched."""
HIGH = slice(4, None)
NEIGHBOURS = (3, 4, 5, 6)
"""Bins to either side of a grid's; nearer ones have what the window spreads."""


def radial_power(planes: Tensor, side: int, step: int) -> Tensor:
    """Power of squares of planes (B, H, W) in rings around zero frequency: (B, squares, side / 2).

    Ring k is k + 1 cycles over the side of a square. White noise has its variance in each.
    """
    squares = planes.unfold(1, side, step).unfold(2, side, step).flatten(1, 2)
    squares = squares - squares.mean(dim=(-2, -1), keepdim=True)
    row = torch.hann_window(side, device=planes.device)
    window = torch.outer(row, row)
    power = torch.fft.fft2(squares * window / window.square().sum().sqrt()).abs().square()
    cycles = torch.fft.fftfreq(side, 1 / side, device=planes.device)
    ring = torch.hypot(cycles[:, None], cycles).round()
    rings = torch.stack([(ring == number).float().flatten() for number in range(1, side // 2 + 1)])
    return power.flatten(-2) @ (rings / rings.sum(dim=1, keepdim=True)).mT


def spectrum_gap(x_st: Tensor, x_t: Tensor) -> Tensor:
    """Mean |log ratio| of the power spectra of renderings and photographs, luma, in dB; 0: blur and noise are alike.

    Their ratio at low frequencies, which the content decides, is divided out.
    """
    rendered, target = (
        radial_power(luma(images)[:, 0], SEGMENT, SEGMENT // 2).mean(dim=(0, 1)) + QUANTISATION
        for images in (x_st, x_t)
    )
    decibels = 10 * (rendered / target).log10()
    return (decibels[HIGH] - decibels[LOW].mean()).abs().mean()


def grid(images: Tensor, period: int) -> Tensor:
    """Power of the high band of luma at the frequencies of a grid, over that beside them; 1: no grid.

    Of lines and of columns, and of 1 / period and its multiples, the largest. ``period`` in pixels, 2 or more.
    """
    residual = high_band(luma(images))[:, 0]
    return torch.cat([_peaks(residual, period), _peaks(residual.mT, period)]).amax()


def _peaks(planes: Tensor, period: int) -> Tensor:
    """For each multiple of 1 / period the relative power of lines (B, lines, length) there, averaged over images."""
    length = planes.shape[-1] // period * period
    window = torch.hann_window(length, device=planes.device)
    lines = planes[..., :length] * window / window.square().sum().sqrt()
    power = torch.fft.rfft(lines).abs().square().mean(dim=-2) + QUANTISATION
    peaks = []
    for multiple in range(1, period // 2 + 1):
        peak = multiple * length // period
        beside = [peak - offset for offset in NEIGHBOURS] + [peak + offset for offset in NEIGHBOURS]
        # beyond the highest frequency the spectrum is mirrored
        beside = [min(number, length - number) for number in beside]
        peaks.append((power[:, peak] / power[:, beside].mean(dim=1)).mean())
    return torch.stack(peaks)

"""How much noise G_t draws, and how much the camera has."""

from __future__ import annotations

import torch
from torch import Tensor

from usrda_plugin.method import luma

CELL = 8
"""Side of a cell in blocks of 2x2 pixels."""
FLAT = 4
"""One cell in so many counts as flat."""
CLIPPED = 8 / 255
"""A cell whose mean is so near to black or white has lost part of its noise."""
OF_NORMAL = 0.6745
"""Median of a standard normal's magnitude."""


def rendered_noise(once: Tensor, again: Tensor) -> Tensor:
    """The noise of G_t: standard deviation of the difference of two renderings over sqrt 2, luma, 8-bit levels."""
    return (luma(once) - luma(again)).square().mean().div(2).sqrt() * 255


def camera_noise(x_t: Tensor) -> Tensor:
    """The noise of photographs (B, 3, h, w): deviation of luma in flat cells, 8-bit levels; one number.

    By the median magnitude of Haar's diagonal detail, which structure hardly moves.
    """
    planes = luma(x_t)[:, 0]
    height, width = (length // (2 * CELL) * 2 * CELL for length in planes.shape[-2:])
    rows = planes[..., :height, :width].unflatten(-2, (-1, 2)).unbind(-2)
    (a, b), (c, d) = (row.unflatten(-1, (-1, 2)).unbind(-1) for row in rows)
    details, means = _cells((a - b - c + d) / 2), _cells((a + b + c + d) / 4)
    level = means.mean(dim=1)
    contrast = means.std(dim=1).where((level > CLIPPED) & (level < 1 - CLIPPED), torch.inf)
    flattest = contrast.topk(max(len(contrast) // FLAT, 1), largest=False).indices
    return details[flattest].abs().median() / OF_NORMAL * 255


def _cells(planes: Tensor) -> Tensor:
    return planes.unfold(1, CELL, CELL).unfold(2, CELL, CELL).flatten(3).flatten(0, 2)

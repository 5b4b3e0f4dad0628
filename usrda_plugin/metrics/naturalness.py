"""The natural-scene features of NIQE: how the normalised luma of a block, and the products of neighbours, are spread.

An asymmetric generalised Gaussian is fitted to each, as by BasicSR's ``estimate_aggd_param``, for all blocks at once.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import gamma
from torch import Tensor

NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Shifts of a block, rows and columns, by which neighbours are multiplied."""


class Shapes(NamedTuple):
    """What follows from an exponent alpha of .2 to 10 in steps of .001, each (9801,) float64."""

    alpha: Tensor
    ratio: Tensor
    beta_over_deviation: Tensor
    mean_over_betas: Tensor


class Spread(NamedTuple):
    """Asymmetric generalised Gaussians, each field one number a sample, float64."""

    alpha: Tensor
    mean: Tensor
    left: Tensor
    right: Tensor


def features_of(blocks: Tensor) -> Tensor:
    """The 18 features of normalised blocks (..., h, w) fp32; (..., 18) float64, nan for what has no spread."""
    products = [blocks * torch.roll(blocks, shift, dims=(-2, -1)) for shift in NEIGHBOURS]
    own, *others = (spread_of(samples.flatten(-2)) for samples in (blocks, *products))
    features = [own.alpha, (own.left + own.right) / 2]
    return torch.stack([*features, *(feature for spread in others for feature in spread)], dim=-1)


def spread_of(samples: Tensor) -> Spread:
    """Fit an asymmetric generalised Gaussian to samples (..., n), by the moments left and right of zero.

    Means are rounded to fp32 where numpy's are, so that the same exponent is chosen.
    """
    negative, positive = samples.clamp(max=0), samples.clamp(min=0)
    squares = [side.square().sum(-1, dtype=torch.float64) for side in (negative, positive)]
    counts = [(samples < 0).sum(-1), (samples > 0).sum(-1)]
    left, right = ((square / count).float().sqrt() for square, count in zip(squares, counts, strict=True))
    size = samples.shape[-1]
    magnitude = ((positive - negative).sum(-1, dtype=torch.float64) / size).float()
    power = ((squares[0] + squares[1]) / size).float()
    skew = left / right
    ratio = magnitude.square() / power * (skew**3 + 1) * (skew + 1) / (skew.square() + 1).square()
    shapes = _shapes(samples.device)
    index = _nearest(shapes.ratio, ratio.double())
    beta_left, beta_right = (deviation.double() * shapes.beta_over_deviation[index] for deviation in (left, right))
    mean = (beta_right - beta_left) * shapes.mean_over_betas[index]
    return Spread(shapes.alpha[index], mean, beta_left, beta_right)


def _nearest(ascending: Tensor, values: Tensor) -> Tensor:
    """The index of the entry nearest to each value; 0 for nan, as numpy's ``argmin`` has it."""
    above = torch.searchsorted(ascending, values.contiguous()).clamp(1, len(ascending) - 1)
    below = above - 1
    index = torch.where(values - ascending[below] <= ascending[above] - values, below, above)
    return torch.where(values.isnan(), 0, index)


@cache
def _shapes(device: torch.device) -> Shapes:
    alpha = np.arange(0.2, 10.001, 0.001)
    # of 1 / alpha and its multiples, as BasicSR writes them
    once, twice, thrice = (gamma(np.reciprocal(alpha) * times) for times in (1, 2, 3))
    columns = alpha, np.square(twice) / (once * thrice), np.sqrt(once / thrice), twice / once
    return Shapes(*(torch.from_numpy(column).to(device) for column in columns))

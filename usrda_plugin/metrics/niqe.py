"""NIQE on the device, which says "undefined" where BasicSR's crashes.

Its features tell how the normalised luma of a block, and the products of neighbours, are spread: an asymmetric
generalised Gaussian is fitted to each, as by BasicSR's ``estimate_aggd_param``, for all blocks at once.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import basicsr
import cv2
import numpy as np
import torch
from scipy.special import gamma
from torch import Tensor
from torch.nn import functional as F

from usrda_plugin.metrics.levels import filtered, inside, levels_of_picture, luma
from usrda_plugin.metrics.registry import register_metric

Niqe = Callable[..., float]

BLOCK = 96
"""NIQE fits a Gaussian to the features of blocks of this many pixels a side, so it needs at least two of them."""
HALVING = tuple(weight / 256 for weight in (-3, -9, 29, 111, 111, 29, -9, -3))
"""MATLAB's antialiased bicubic ``imresize`` to half the size; an output pixel stands between the two in the middle."""
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Shifts of a block, rows and columns, by which neighbours are multiplied."""


class Pristine(NamedTuple):
    """The Gaussian of natural images' features, mean (36,) and covariance (36, 36), and the smoothing window's row."""

    mean: Tensor
    covariance: Tensor
    window: tuple[float, ...]


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


def niqe(image: Tensor, crop_border: int) -> Tensor:
    """Naturalness of luma (lower is better), (B,) float64, of levels (B, C, H, W), RGB in [0, 255].

    nan where it is not defined: fewer than two whole blocks of 96x96 pixels that have any texture.
    """
    # rounded, as BasicSR does to agree with MATLAB
    return _naturalness(inside(luma(image), crop_border).round())


def _naturalness(planes: Tensor) -> Tensor:
    """NIQE of planes (B, 1, H, W), whole numbers in fp32."""
    rows, columns = (length // BLOCK for length in planes.shape[-2:])
    if rows * columns < 2:
        return planes.new_full((len(planes),), torch.nan, dtype=torch.float64)
    planes = planes[..., : rows * BLOCK, : columns * BLOCK]
    halves = filtered(_mirrored(planes), HALVING, step=2).float()
    features = [_features(planes, BLOCK), _features(halves, BLOCK // 2)]
    return _distance(torch.cat(features, dim=-1))


def _features(planes: Tensor, block: int) -> Tensor:
    """The features (B, blocks, 18) of planes (B, 1, H, W) that blocks fill."""
    window = _pristine(planes.device).window
    reach = len(window) // 2
    mean, mean_of_squares = (
        filtered(F.pad(values, (reach,) * 4, mode="replicate"), window).float() for values in (planes, planes.square())
    )
    # fp32 from here on, as BasicSR: in flat areas the difference is rounding, and its digits show
    deviation = (mean_of_squares - mean.square()).abs().sqrt()
    normalised = (planes - mean) / (deviation + 1)
    batch, _, height, width = planes.shape
    blocks = normalised.reshape(batch, height // block, block, width // block, block).transpose(2, 3).flatten(1, 2)
    return features_of(blocks)


def _distance(features: Tensor) -> Tensor:
    """How far the Gaussian of the features (B, blocks, 36) is from that of natural images; nan for fewer than two."""
    pristine = _pristine(features.device)
    whole = ~features.isnan().any(dim=-1, keepdim=True)
    count = whole.sum(dim=1, keepdim=True)
    kept = features.where(whole, 0)
    centred = (kept - kept.sum(dim=1, keepdim=True) / count).where(whole, 0)
    covariance = centred.mT @ centred / (count - 1)
    defined = count > 1
    # natural images' features have a covariance of full rank, so the pseudo-inverse is the inverse
    factor, _ = torch.linalg.cholesky_ex((pristine.covariance + covariance.where(defined, 0)) / 2)
    offset = (pristine.mean - features.nanmean(dim=1))[..., None]
    whitened = torch.linalg.solve_triangular(factor, offset, upper=False)
    return torch.linalg.vector_norm(whitened, dim=(1, 2)).where(defined.flatten(), torch.nan)


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


def _mirrored(planes: Tensor) -> Tensor:
    """With three more pixels on each side, the edge repeated, as ``imresize`` continues an image."""
    reach = len(HALVING) // 2 - 1
    planes = torch.cat([planes[..., :reach].flip(-1), planes, planes[..., -reach:].flip(-1)], dim=-1)
    return torch.cat([planes[..., :reach, :].flip(-2), planes, planes[..., -reach:, :].flip(-2)], dim=-2)


@cache
def _pristine(device: torch.device) -> Pristine:
    with np.load(Path(basicsr.__file__).parent / "metrics" / "niqe_pris_params.npz") as file:
        mean, covariance = (torch.from_numpy(file[name]).to(device) for name in ("mu_pris_param", "cov_pris_param"))
        # a Gaussian of sum 1 is the product of its own sums
        return Pristine(mean.flatten(), covariance, tuple(file["gaussian_window"].sum(axis=0).tolist()))


@register_metric(niqe, stands_for="calculate_niqe")
def calculate_usrda_niqe(
    img: np.ndarray, crop_border: int, input_order: str = "HWC", convert_to: str = "y", **kwargs: Any
) -> float:
    """Return BasicSR's NIQE (lower is better), or nan and a warning where it is not defined.

    Arguments as BasicSR's ``calculate_niqe``: BGR or gray in [0, 255]. It is not defined for a flat image nor for fewer
    than two whole blocks of 96x96 pixels inside ``crop_border``.
    """
    return nan_where_undefined(_of_picture)(img, crop_border, input_order, convert_to)


def nan_where_undefined(niqe: Niqe) -> Niqe:
    """Wrap BasicSR's ``calculate_niqe``: nan and a warning where it is not defined, else its value."""

    def guarded(
        img: np.ndarray, crop_border: int, input_order: str = "HWC", convert_to: str = "y", **kwargs: Any
    ) -> float:
        height, width = img.shape[1:] if input_order == "CHW" and img.ndim == 3 else img.shape[:2]
        blocks = max(height - 2 * crop_border, 0) // BLOCK * (max(width - 2 * crop_border, 0) // BLOCK)
        if blocks < 2:
            size = f"{height}x{width} pixels, {crop_border} cut off each side"
            return _undefined(f"{size}, hold {blocks} of at least 2 blocks")
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # numpy's "mean of empty slice" on flat blocks
                value = niqe(img, crop_border, input_order=input_order, convert_to=convert_to, **kwargs)
        except np.linalg.LinAlgError:
            return _undefined("too few blocks of the image have any texture")
        return value if np.isfinite(value) else _undefined("too few blocks of the image have any texture")

    return guarded


def _undefined(reason: str) -> float:
    warnings.warn(f"NIQE is not defined here, so it is nan: {reason}", stacklevel=3)
    return float("nan")


def _of_picture(img: np.ndarray, crop_border: int, input_order: str, convert_to: str) -> float:
    return _naturalness(inside(_planes(img, input_order, convert_to), crop_border).round()).item()


def _planes(img: np.ndarray, input_order: str, convert_to: str) -> Tensor:
    """What of a picture is judged, (1, 1, H, W) fp32 in [0, 255]."""
    levels = levels_of_picture(img, input_order)
    if input_order == "HW":
        return levels.float()
    if convert_to == "y" or levels.shape[1] == 1:
        return luma(levels)
    if convert_to == "gray":
        # OpenCV's own, as its rounding decides many a level
        bgr = levels[0].flip(0).permute(1, 2, 0).float().contiguous().numpy()
        return torch.from_numpy(cv2.cvtColor(bgr / 255, cv2.COLOR_BGR2GRAY) * 255)[None, None]
    raise ValueError(f"NIQE: expected convert_to 'y' or 'gray', found {convert_to!r}")

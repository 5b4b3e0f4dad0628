"""How well a linear classifier tells two domains apart on images that it has not seen."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from usrda_plugin.method import luma
from usrda_plugin.monitoring.spectra import QUANTISATION, radial_power

CELL = 8
"""Side of a cell of features, in LR pixels."""
SQUARE = 16
"""Side of a square of style, in LR pixels."""
HIGH = slice(1, None)
"""Rings of a square's spectrum that tell its style: above 1/16 cycles a pixel."""
RIDGE = 1e-2
TINY = 1e-9


def domain_distance(f_s: Tensor, f_t: Tensor, shrink: int = 1) -> Tensor:
    """How well the features (B, C, h, w) of source and target can be told apart, in [0, 2].

    ``shrink``: LR pixels that a feature is wide.
    """
    return proxy_a_distance(*(feature_cells(features, CELL // shrink) for features in (f_s, f_t)))


def style_distance(x_st: Tensor, x_t: Tensor) -> Tensor:
    """How well renderings and photographs (B, 3, h, w) can be told apart by blur and noise, in [0, 2]."""
    return proxy_a_distance(style_cells(x_st), style_cells(x_t))


def feature_cells(features: Tensor, cell: int) -> Tensor:
    """Mean and deviation of each channel in cells: (B, C, h, w) to (B, cells, 2 C)."""
    mean = F.avg_pool2d(features, cell)
    spread = (F.avg_pool2d(features.square(), cell) - mean.square()).clamp(min=0).sqrt()
    return torch.cat([mean, spread], dim=1).flatten(2).mT


def style_cells(images: Tensor) -> Tensor:
    """Log power of luma in rings of the spectrum, and log contrast, of squares: (B, 3, h, w) to (B, squares, 8)."""
    planes = luma(images)[:, 0]
    power = radial_power(planes, SQUARE, SQUARE)[..., HIGH]
    contrast = planes.unfold(1, SQUARE, SQUARE).unfold(2, SQUARE, SQUARE).flatten(1, 2).var(dim=(-2, -1))
    return (torch.cat([power, contrast[..., None]], dim=-1) + QUANTISATION).log()


def proxy_a_distance(source: Tensor, target: Tensor) -> Tensor:
    """2 (1 - 2 error) of a linear classifier; 0: the domains cannot be told apart, 2: always.

    ``source`` and ``target`` are (images, cells, features), as many images of each. The classifier, a ridge regression
    on the sign, learns on every other image and is tested on the rest, then the other way round. nan for one image.
    """
    if len(source) < 2:
        return source.new_full((), torch.nan)
    # (2, cells of half of the images, features)
    first, second = (
        torch.stack([domain[half::2].flatten(0, 1) for domain in (source, target)]).double() for half in (0, 1)
    )
    error = (_held_out_error(first, second) + _held_out_error(second, first)) / 2
    return (2 * (1 - 2 * error)).clamp(min=0)


def _held_out_error(learnt: Tensor, tested: Tensor) -> Tensor:
    """The share of cells taken for the other domain; both arguments (2, cells, features)."""
    mean, spread = learnt.mean(dim=(0, 1)), learnt.std(dim=(0, 1)) + TINY
    learnt, tested = (learnt - mean) / spread, (tested - mean) / spread
    sign = learnt.new_tensor([1.0, -1.0])[:, None]
    covariance = torch.einsum("dcf,dcg->fg", learnt, learnt) / learnt[..., 0].numel()
    slope = torch.einsum("dcf,dc->f", learnt, sign.expand(learnt.shape[:2])) / learnt[..., 0].numel()
    ridge = RIDGE * torch.eye(len(slope), dtype=slope.dtype, device=slope.device)
    # without a check of the result, for which a GPU would have to be waited for; the ridge makes it regular
    weights, _ = torch.linalg.solve_ex(covariance + ridge, slope)
    answers = tested @ weights
    # an answer of 0 is half wrong; nan, which has no sign, must not pass for one
    right = (answers * sign).sign().where(~answers.isnan(), torch.nan)
    return (1 - right.mean()) / 2

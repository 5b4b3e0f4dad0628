"""What crops of photographs say of how they were taken: noise, spectrum, JPEG's blocks, colour; and of what an encoder
makes of them. A row for each photograph, so that photographs can be drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from usrda_plugin.method import luma
from usrda_plugin.monitoring.signals import LEVELS, QUANTISATION, SEGMENT, camera_noise, radial_power

CROP = 64
"""Side, in pixels of what is compared, of the crops that are cut out of a photograph."""
BLOCK = 8
"""Side of JPEG's blocks."""
LEAST_STEP = 0.25 / LEVELS
"""What a step counts at least: areas without any step have no blocks."""
BLUE, RED = 1 / 1.772, 1 / 1.402
"""Cb and Cr of BT.601 are the differences of blue and red from luma, times these."""

Array = np.ndarray
Encode = Callable[[Tensor], Tensor]
"""From crops (B, 3, 64, 64), RGB in [0, 1], to features of cells, (cells, features)."""


@dataclass(frozen=True)
class Statistics:
    """What ``n`` photographs of one domain say of themselves.

    ``noise`` (n,): deviation in flat places, 8-bit levels of luma. ``spectrum`` (n, 16): power of luma at 1 to 16
    cycles over 32 pixels, squared levels; white noise has its variance in each. ``blocks`` (n,): how much larger steps
    across the lines of an 8x8 grid are than others, in percent. ``colour`` (n, 3): mean R, G, B in levels.
    ``saturation`` (n,): mean distance from gray in the plane of Cb and Cr, in levels. ``squares`` (n, squares, 22): the
    same of squares of 32 pixels. ``features`` (n, cells, 2 C): mean and deviation of channels in cells of 16 pixels.
    """

    noise: Array
    spectrum: Array
    blocks: Array
    colour: Array
    saturation: Array
    squares: Array
    features: Array | None = None

    def __len__(self) -> int:
        return len(self.noise)

    def take(self, chosen: Sequence[int] | Array) -> Statistics:
        """Return the photographs of these numbers, in this order, some perhaps more than once."""
        numbers = np.asarray(chosen)
        return Statistics(**{name: rows[numbers] for name, rows in self._rows().items()})

    def _rows(self) -> dict[str, Array]:
        """What there is, by its name."""
        return {field.name: rows for field in fields(self) if (rows := getattr(self, field.name)) is not None}


@torch.no_grad()
def photograph_statistics(crops: Tensor, encode: Encode | None = None) -> Statistics:
    """Return the statistics of one photograph from its crops (B, 3, 64, 64), RGB in [0, 1]."""
    luminance, chroma = luma(crops), chroma_of(crops)
    squares = luminance.unfold(2, SEGMENT, SEGMENT).unfold(3, SEGMENT, SEGMENT)[:, 0].flatten(0, 2)
    power = radial_power(squares, SEGMENT, SEGMENT)[:, 0]
    rows = {
        "noise": camera_noise(crops),
        "spectrum": power.mean(dim=0) * LEVELS**2,
        "blocks": block_steps(luminance[None, :, 0])[0],
        "colour": crops.mean(dim=(0, 2, 3)) * LEVELS,
        "saturation": F.avg_pool2d(chroma, BLOCK).norm(dim=1).mean() * LEVELS,
        "squares": square_statistics(squares, chroma, power),
    }
    if encode is not None:
        rows["features"] = encode(crops)
    return Statistics(**{name: value.double().cpu().numpy()[None] for name, value in rows.items()})


def joined(domains: Sequence[Statistics]) -> Statistics:
    """Return the photographs of all of them, in order, as those of one domain. They have features, or none has."""
    rows = [domain._rows() for domain in domains]
    return Statistics(**{name: np.concatenate([row[name] for row in rows]) for name in rows[0]})


def chroma_of(images: Tensor) -> Tensor:
    """Return Cb and Cr by ITU-R BT.601: (B, 3, H, W) in [0, 1] to (B, 2, H, W) in [-0.5, 0.5]; gray has 0."""
    bright = luma(images)
    return torch.cat([(images[:, 2:] - bright) * BLUE, (images[:, :1] - bright) * RED], dim=1)


def block_steps(planes: Tensor) -> Tensor:
    """Return how much larger the steps across the lines of an 8x8 grid are than the others, in percent: (N,).

    By planes (N, B, H, W), those of B together. A step is the difference of two neighbours. Of the eight places where
    the grid may begin, the one with the largest steps is compared with the next, so that planes without a grid have
    somewhat above 0.
    """
    return (_grid_step(planes) + _grid_step(planes.mT)) / 2 * 100


def _grid_step(planes: Tensor) -> Tensor:
    """The mean step of columns that lie eight apart, the largest over the next, minus 1."""
    steps = planes.diff(dim=-1).abs()
    steps = steps[..., : steps.shape[-1] // BLOCK * BLOCK].unflatten(-1, (-1, BLOCK))
    profile = steps.mean(dim=(1, 2, 3)).clamp(min=LEAST_STEP)
    largest, following = profile.topk(2, dim=1).values.unbind(dim=1)
    return largest / following - 1


def square_statistics(planes: Tensor, chroma: Tensor, power: Tensor) -> Tensor:
    """Return what a classifier sees of squares of 32 pixels: (squares, 22).

    The log power of luma in 16 rings, mean luma, Cb and Cr, the log variance of Cb and Cr, the log of how much larger
    steps across a grid are. ``planes`` (squares, 32, 32) luma, ``chroma`` (B, 2, H, W), ``power`` (squares, 16).
    """
    cells = chroma.unfold(2, SEGMENT, SEGMENT).unfold(3, SEGMENT, SEGMENT).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
    columns = [
        (power + QUANTISATION).log(),
        planes.mean(dim=(-2, -1))[:, None],
        cells.mean(dim=(-2, -1)),
        (cells.var(dim=(-2, -1)) + QUANTISATION).log(),
        (block_steps(planes[:, None]) / 100).log1p()[:, None],
    ]
    return torch.cat(columns, dim=1)

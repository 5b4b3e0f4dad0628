"""What the sides of an image must be multiples of, found by running a network on small images."""

from __future__ import annotations

from math import lcm
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

MULTIPLES = (1, 2, 4, 8, 16, 32, 64)
SIDE = 11
"""A side that is no multiple of anything but of itself, so that a network that wants multiples refuses it."""
LARGEST = 64
"""The largest window that is looked for."""
REFUSALS = (RuntimeError, AssertionError, ValueError, TypeError, IndexError)


class Trial(NamedTuple):
    """``multiple``: what h and w must be divisible by. ``scale``: HR size over LR size."""

    multiple: int
    scale: int


@torch.no_grad()
def try_sides(network: nn.Module, image: Tensor) -> Trial:
    """Run the network, in the mode in which it is, on images like ``image`` (B, C, h, w): the smallest that it takes.

    Raises ValueError where it makes no larger image of any.
    """
    reason: Exception | None = None
    for multiple in candidates(network):
        side = multiple * SIDE
        try:
            made = network(image.new_zeros(1, image.shape[1], side, side))
            return Trial(multiple, _scale(network, made, side))
        except REFUSALS as error:
            reason = reason or error
    raise ValueError(str(reason)) from reason


def candidates(network: nn.Module) -> list[int]:
    """What sides may have to be multiples of: powers of two, and the windows that parts of the network have."""
    windows = {size for module in network.modules() for size in _sizes(getattr(module, "window_size", ()))}
    return sorted(size for size in {*MULTIPLES, *windows, lcm(*windows)} if size <= LARGEST)


def _sizes(window: object) -> list[int]:
    sizes = window if isinstance(window, tuple | list) else (window,)
    return [size for size in sizes if isinstance(size, int) and size > 0]


def mirrored(images: Tensor, multiple: int) -> Tensor:
    """Images (B, C, h, w) mirrored at the right and the bottom up to sides that are multiples; their own where so."""
    missing = [-side % multiple for side in images.shape[-2:]]
    while any(missing):
        below, beside = (min(more, side - 1) for more, side in zip(missing, images.shape[-2:], strict=True))
        if below or beside:
            images = pad(images, (0, beside, 0, below), mode="reflect")
        else:  # a single row or column has nothing to mirror
            images = pad(images, (0, missing[1], 0, missing[0]), mode="replicate")
        missing = [-side % multiple for side in images.shape[-2:]]
    return images


def _scale(network: nn.Module, image: object, side: int) -> int:
    shape = tuple(image.shape[-2:]) if isinstance(image, Tensor) else type(image).__name__
    scale = shape[0] // side if isinstance(shape, tuple) else 0
    if shape != (side * scale, side * scale) or not scale:
        raise ValueError(
            f"expected a network that enlarges images by a whole number, found that {type(network).__name__} makes"
            f" {shape} of {(side, side)}"
        )
    return scale

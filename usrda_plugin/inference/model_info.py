"""What a network does to the shape of an image, and how far it sees: found by running it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from usrda_plugin.archs.sides import try_sides

# windows and pooling of other networks repeat after this many pixels, or a power of two less
_UNKNOWN_GRID = 16
_POINTWISE = (nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Identity, nn.PixelShuffle)
# a window or a folding of 1, 2, 4 or 8 pixels shows in this many places beside each other
_PHASES = 8


class ModelInfo(NamedTuple):
    """``scale``: HR size over LR size. ``channels``: of an LR image. ``multiple``: what h and w must be divisible by.

    ``shrink``: how many pixels a side the network folds into one cell of its features. ``grid``: an image moved by a
    multiple of it gives the same image moved.
    """

    scale: int
    channels: int
    multiple: int
    shrink: int
    grid: int


@torch.inference_mode()
def measure_model(network: nn.Module) -> ModelInfo:
    """Try the network, on the CPU, with small images. Raises ValueError where it makes no larger image of any."""
    reason: Exception | None = None
    for channels in (3, 1):
        try:
            multiple, scale = try_sides(network, torch.zeros(1, channels, 1, 1))
        except ValueError as error:
            reason = reason or error
            continue
        shrink = max(multiple, _folding(network))
        grid = shrink if _is_convolutional(network) else max(shrink, _UNKNOWN_GRID)
        return ModelInfo(scale, channels, multiple, shrink, grid)
    raise ValueError(f"expected a network of images, found that {type(network).__name__} refuses them: {reason}")


@torch.inference_mode()
def receptive_radius(network: nn.Module, info: ModelInfo, limit: int) -> int | None:
    """How many LR pixels away a pixel may be and still change an output pixel; None for more than ``limit``.

    NaN spreads through the network, on the CPU, on strips, once along and once across: what a NaN pixel reaches, that
    pixel can change. Non-linear layers, any kernel, dilation and resolution count as they are.
    """
    along = _reach(network, info, limit, lambda strip: strip)
    across = _reach(network, info, limit, lambda strip: strip.transpose(-1, -2)) if along is not None else None
    return None if along is None or across is None else max(along, across)


def full_radius(network: nn.Module, info: ModelInfo, limit: int = 2048) -> int:
    """The receptive radius, however large. Raises ValueError where each pixel changes all others."""
    tried = 32
    while tried <= limit:
        radius = receptive_radius(network, info, tried)
        if radius is not None:
            return radius
        tried *= 2
    raise ValueError(
        f"expected a network with a bounded receptive field, found that {type(network).__name__} sees more than {limit}"
        " pixels far, so no overlap makes tiles exact; give --overlap a number of pixels"
    )


def _folding(network: nn.Module) -> int:
    # networks that take any size and mirror what is missing; the attribute is that of this package's encoders
    found = [getattr(module, "shrink", 1) for module in network.modules()]
    return max((shrink for shrink in found if isinstance(shrink, int)), default=1)


def _is_convolutional(network: nn.Module) -> bool:
    lists = (nn.Sequential, nn.ModuleList)  # which may be empty
    leaves = [m for m in network.modules() if not any(True for _ in m.children()) and not isinstance(m, lists)]
    return all(
        isinstance(leaf, _POINTWISE) or (isinstance(leaf, nn.Conv2d) and set(leaf.stride) == {1}) for leaf in leaves
    )


def _reach(network: nn.Module, info: ModelInfo, limit: int, turn: Callable[[Tensor], Tensor]) -> int | None:
    start = -(-limit // 64) * 64 + 64  # the same phase of any folding as the first pixel
    length = 2 * start + 64
    strip = torch.zeros(_PHASES, info.channels, info.multiple, length)
    phases = range(_PHASES)
    for phase in phases:
        strip[phase, :, :, start + phase] = torch.nan
    touched = turn(network(turn(strip))).isnan().flatten(1, 2).any(1)
    radius = 0
    for phase in phases:
        places = touched[phase].nonzero().flatten()
        if len(places):
            first, last = int(places[0]) // info.scale, int(places[-1]) // info.scale
            radius = max(radius, start + phase - first, last - start - phase)
    return radius if radius <= limit else None

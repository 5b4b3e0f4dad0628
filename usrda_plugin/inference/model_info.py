"""What a network does to the shape of an image, found by running it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from usrda_plugin.archs.sides import try_sides

# windows and pooling of other networks repeat after this many pixels, or a power of two less
_UNKNOWN_GRID = 16
_POINTWISE = (nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh, nn.Identity, nn.PixelShuffle)


class Traits(NamedTuple):
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
def measure_traits(network: nn.Module) -> Traits:
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
        return Traits(scale, channels, multiple, shrink, grid)
    raise ValueError(f"expected a network of images, found that {type(network).__name__} refuses them: {reason}")


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

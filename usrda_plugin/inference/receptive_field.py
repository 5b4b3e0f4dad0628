"""The receptive field, found by letting NaN spread: what a NaN pixel reaches, that pixel can change."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from usrda_plugin.inference.model_info import Traits

# a window or a folding of 1, 2, 4 or 8 pixels shows in this many places beside each other
_PHASES = 8


@torch.inference_mode()
def receptive_radius(network: nn.Module, traits: Traits, limit: int) -> int | None:
    """How many LR pixels away a pixel may be and still change an output pixel; None for more than ``limit``.

    The network is asked on the CPU, on strips, once along and once across. Non-linear layers, any kernel, dilation and
    resolution count as they are, since NaN passes all of them.
    """
    along = _reach(network, traits, limit, lambda strip: strip)
    across = _reach(network, traits, limit, lambda strip: strip.transpose(-1, -2)) if along is not None else None
    return None if along is None or across is None else max(along, across)


def full_radius(network: nn.Module, traits: Traits, limit: int = 2048) -> int:
    """The receptive radius, however large. Raises ValueError where each pixel changes all others."""
    tried = 32
    while tried <= limit:
        radius = receptive_radius(network, traits, tried)
        if radius is not None:
            return radius
        tried *= 2
    raise ValueError(
        f"expected a network with a bounded receptive field, found that {type(network).__name__} sees more than {limit}"
        " pixels far, so no overlap makes tiles exact; give --overlap a number of pixels"
    )


def _reach(network: nn.Module, traits: Traits, limit: int, turn: Callable[[Tensor], Tensor]) -> int | None:
    start = -(-limit // 64) * 64 + 64  # the same phase of any folding as the first pixel
    length = 2 * start + 64
    strip = torch.zeros(_PHASES, traits.channels, traits.multiple, length)
    phases = range(_PHASES)
    for phase in phases:
        strip[phase, :, :, start + phase] = torch.nan
    touched = turn(network(turn(strip))).isnan().flatten(1, 2).any(1)
    radius = 0
    for phase in phases:
        places = touched[phase].nonzero().flatten()
        if len(places):
            first, last = int(places[0]) // traits.scale, int(places[-1]) // traits.scale
            radius = max(radius, start + phase - first, last - start - phase)
    return radius if radius <= limit else None

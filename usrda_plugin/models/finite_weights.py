"""Whether networks and optimizers hold finite numbers: asked before anything is saved."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Networks = Mapping[str, nn.Module]
"""Bare networks by their names on the disk, such as net_g."""


@torch.no_grad()
def wrong_weights(network: nn.Module) -> list[str]:
    """The names of a network's parameters that are not finite, and of its buffers with nan; one look at the device.

    A buffer may well hold an infinity, such as a mask.
    """
    parameters = {name: value for name, value in network.named_parameters() if value.numel()}
    buffers = {name: value for name, value in network.named_buffers() if value.numel() and value.is_floating_point()}
    largest = torch._foreach_norm([*parameters.values(), *buffers.values()], float("inf"))
    if not largest:
        return []
    values = torch.stack([value.float() for value in largest])
    wrong = torch.cat([~values[: len(parameters)].isfinite(), values[len(parameters) :].isnan()]).tolist()
    return [name for name, is_wrong in zip((*parameters, *buffers), wrong, strict=True) if is_wrong]


@torch.no_grad()
def has_finite_moments(optimizer: Optimizer) -> bool:
    """Whether all that an optimizer remembers of its parameters is finite."""
    by_device: dict[torch.device, list[Tensor]] = {}
    for value in (value for state in optimizer.state.values() for value in state.values()):
        if isinstance(value, Tensor) and value.numel() and value.is_floating_point():
            by_device.setdefault(value.device, []).append(value)
    largest = (torch._foreach_norm(values, float("inf")) for values in by_device.values())
    return all(bool(torch.stack([value.float() for value in norms]).isfinite().all()) for norms in largest)

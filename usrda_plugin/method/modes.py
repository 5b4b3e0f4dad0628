"""What networks do not do for a while: move by gradients, or move at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen(networks: Iterable[nn.Module]) -> Iterator[None]:
    """While open, the networks' parameters get no gradient; gradients still pass through to the input."""
    parameters = [parameter for network in networks for parameter in network.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


@contextmanager
def at_rest(networks: list[nn.Module]) -> Iterator[None]:
    """Evaluation mode, in which nothing (as the vectors of a spectral norm) moves."""
    was_training = [network.training for network in networks]
    for network in networks:
        network.eval()
    try:
        yield
    finally:
        for network, training in zip(networks, was_training, strict=True):
            network.train(training)

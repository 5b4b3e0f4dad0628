"""Networks at rest, to be looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import nn


@contextmanager
def at_rest(networks: Sequence[nn.Module]) -> Iterator[None]:
    """Evaluation mode, in which nothing (as the vectors of a spectral norm) moves."""
    was_training = [network.training for network in networks]
    for network in networks:
        network.eval()
    try:
        yield
    finally:
        for network, training in zip(networks, was_training, strict=True):
            network.train(training)

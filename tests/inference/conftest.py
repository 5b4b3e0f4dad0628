"""Small networks whose field tiles can cover."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from basicsr.archs.rrdbnet_arch import RRDBNet
from torch import nn


@pytest.fixture
def rrdb() -> Callable[[int], nn.Module]:
    """An RRDBNet of that scale with weights and biases that let every layer count."""

    def build(scale: int = 4) -> nn.Module:
        torch.manual_seed(scale)
        network = RRDBNet(3, 3, scale, 8, 1, 4).eval()
        for name, value in network.named_parameters():
            value.data.mul_(3) if name.startswith("body") else None
            value.data.uniform_(-0.2, 0.2) if name.endswith("bias") else None
        # images of all levels, and some below and above them
        network.conv_last.weight.data.mul_(20)
        network.conv_last.bias.data.fill_(0.5)
        return network

    return build

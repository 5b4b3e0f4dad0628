"""The encoder of a network: what it has understood of a photograph before it makes an SR image of it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from basicsr.archs.rrdbnet_arch import RRDBNet
from torch import Tensor, nn

from usrda_plugin.archs.networks import USRDANet
from usrda_plugin.archs.parts import ConvEncoder, RRDBEncoder, TrunkEncoder
from usrda_plugin.errors import SetupError
from usrda_plugin.evaluation.statistics import CROP

BUDGET = 1e12
"""Multiplications that the crops of one domain cost at most in the encoder, unless that is less than a crop each."""
TRUNK = ("conv_first.", "body.", "conv_body.")


class Encoder(NamedTuple):
    """A network's encoder, which takes crops on its own device; ``cost``: multiplications for one crop."""

    network: nn.Module
    cost: float

    def __call__(self, crops: Tensor) -> Tensor:
        """Return the features (B, C, h, w) of crops, one after another, as the memory for one is enough."""
        device = next(self.network.parameters()).device
        return torch.cat([self.network(crop.to(device)) for crop in crops.split(1)])

    def crops_of_each(self, photographs: int, most: int) -> int:
        """Tell how many crops of each photograph to take, at most so many."""
        return max(1, min(most, int(BUDGET / self.cost / photographs)))


def encoder_of(network: nn.Module) -> Encoder:
    """Return the encoder of a USRDANet, or the trunk of an RRDBNet. Raises SetupError for other networks."""
    if isinstance(network, USRDANet):
        encoder: ConvEncoder | RRDBEncoder | TrunkEncoder = network.encoder
    elif isinstance(network, RRDBNet) and len(network.body):
        encoder = _trunk(network)
    else:
        raise SetupError(
            f"expected a USRDANet or an RRDBNet, whose features are compared, found {type(network).__name__};"
            " give other weights, or none"
        )
    first = next(parameter for parameter in encoder.parameters() if parameter.ndim == 4)
    colours = first.shape[1] // encoder.shrink**2
    if colours != 3:
        raise SetupError(f"expected a network for RGB images, found one for {colours} channels; give other weights, or none")
    numbers = sum(parameter.numel() for parameter in encoder.parameters())
    return Encoder(encoder, numbers * (CROP / encoder.shrink) ** 2)


def _trunk(network: RRDBNet) -> TrunkEncoder:
    """What USRDANet's encoder "trunk" is with these weights."""
    shrink = {1: 4, 2: 2}.get(network.scale, 1)
    first, grown = network.conv_first, network.body[0].rdb1.conv1
    encoder = TrunkEncoder(
        first.in_channels // shrink**2, first.out_channels, len(network.body), grown.out_channels, shrink
    )
    state = {name: value for name, value in network.state_dict().items() if name.startswith(TRUNK)}
    encoder.load_state_dict(state)
    return encoder.to(first.weight.device).eval()

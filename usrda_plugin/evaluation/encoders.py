"""The encoder of a network: what it has understood of a photograph before it makes an SR image of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from basicsr.archs.rrdbnet_arch import RRDBNet
from torch import Tensor, nn

from usrda_plugin.archs.networks import USRDANet
from usrda_plugin.archs.parts import ConvEncoder, RRDBEncoder, TrunkEncoder
from usrda_plugin.errors import SetupError
from usrda_plugin.evaluation.statistics import CROP
from usrda_plugin.monitoring.signals import feature_cells

CELL = 16
"""Side, in pixels of a crop, of a cell of features."""
SMALLER = 32
"""Side of the middle of a crop, which large networks see alone."""
BUDGET = 2e9
"""Multiplications that the crops of one photograph cost in the encoder, unless that is less than one crop."""
TRUNK = ("conv_first.", "body.", "conv_body.")


@dataclass(frozen=True)
class Encoder:
    """A network's encoder, which shrinks by ``shrink`` and takes crops on its own device.

    ``cost``: multiplications for one pixel of a crop.
    """

    network: nn.Module
    shrink: int
    cost: float

    def __call__(self, crops: Tensor) -> Tensor:
        """Return mean and deviation of each channel in cells of 16 pixels: (cells, 2 C) of crops (B, 3, 64, 64).

        Of the crops as many are taken as the time allows, of large networks the middle of the first.
        """
        seen = self._affordable(crops).to(next(self.network.parameters()).device)
        maps = torch.cat([self.network(crop) for crop in seen.split(1)])  # the memory for one is enough
        return feature_cells(maps, CELL // self.shrink).flatten(0, 1)

    def _affordable(self, crops: Tensor) -> Tensor:
        count = int(BUDGET / (self.cost * CROP**2))
        if count:
            return crops[:count]
        margin = (CROP - SMALLER) // 2
        return crops[:1, :, margin:-margin, margin:-margin]


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
        raise SetupError(
            f"expected a network for RGB images, found one for {colours} channels; give other weights, or none"
        )
    numbers = sum(parameter.numel() for parameter in encoder.parameters())
    return Encoder(encoder, encoder.shrink, numbers / encoder.shrink**2)


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

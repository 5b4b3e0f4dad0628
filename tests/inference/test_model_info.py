"""Scale, multiple and receptive field are what they are by construction."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from basicsr.archs.rrdbnet_arch import RRDBNet
from basicsr.archs.srvgg_arch import SRVGGNetCompact
from torch import Tensor, nn

from usrda_plugin.archs import USRDABicubic, USRDANet
from usrda_plugin.inference import ModelInfo, measure_model, receptive_radius
from usrda_plugin.inference.model_info import full_radius

SMALL: dict[str, Any] = {"num_feat": 4, "num_block": 1, "num_grow_ch": 2, "num_block_lr_decoder": 0}


class Mean(nn.Module):
    """Each pixel of the result depends on all of the image."""

    def forward(self, x: Tensor) -> Tensor:
        return x + x.mean((-1, -2), keepdim=True)


class Downscaler(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[..., ::2, ::2]


@pytest.mark.parametrize(
    ("network", "model_info", "radius"),
    [
        # 3x3 kernels: each adds one pixel of its resolution
        (nn.Sequential(*[nn.Conv2d(3, 3, 3, padding=1) for _ in range(5)]), ModelInfo(1, 3, 1, 1, 1), 5),
        (nn.Conv2d(1, 1, 7, padding=6, dilation=2), ModelInfo(1, 1, 1, 1, 1), 6),
        (nn.Conv2d(3, 3, (1, 9), padding=(0, 4)), ModelInfo(1, 3, 1, 1, 1), 4),
        (nn.Conv2d(3, 3, (9, 1), padding=(4, 0)), ModelInfo(1, 3, 1, 1, 1), 4),
        (nn.Identity(), ModelInfo(1, 3, 1, 1, 1), 0),
        (SRVGGNetCompact(num_feat=4, num_conv=16), ModelInfo(4, 3, 1, 1, 1), 18),
        # 15 in an RRDB block, one before, one after; 1/2 + 3/4 in the upsampler
        (RRDBNet(3, 3, 4, 4, 1, 2), ModelInfo(4, 3, 1, 1, 1), 19),
        (RRDBNet(3, 3, 4, 4, 2, 2), ModelInfo(4, 3, 1, 1, 1), 34),
        # the same in cells of 2x2 and 4x4 pixels
        (RRDBNet(3, 3, 2, 4, 1, 2), ModelInfo(2, 3, 2, 2, 2), 38 + 1),
        (RRDBNet(3, 3, 1, 4, 1, 2), ModelInfo(1, 3, 4, 4, 4), 76 + 3),
        (USRDANet(2, "trunk", **SMALL), ModelInfo(2, 3, 1, 2, 2), 38 + 1),
        (USRDANet(3, "conv", **SMALL), ModelInfo(3, 3, 1, 1, 1), 5 + 17 + 1),
        # of what is no convolution, how far a move leaves all as it is cannot be known
        (USRDABicubic(3), ModelInfo(3, 3, 1, 1, 16), 2),
    ],
)
def test_traits_and_field(network: nn.Module, model_info: ModelInfo, radius: int) -> None:
    network.eval()
    assert measure_model(network) == model_info
    # of a folded cell, the pixel farthest away counts
    assert full_radius(network, model_info) in (radius, radius - model_info.shrink + 1)
    assert receptive_radius(network, model_info, full_radius(network, model_info) - 1) is None


def test_a_network_that_sees_everything_has_no_radius() -> None:
    with pytest.raises(ValueError, match=r"expected a network with a bounded receptive field.*--overlap"):
        full_radius(Mean(), measure_model(Mean()), limit=128)


@pytest.mark.parametrize("network", [Downscaler(), nn.Flatten(), nn.Linear(7, 3)])
def test_what_is_no_network_of_images_is_told(network: nn.Module) -> None:
    with pytest.raises(ValueError, match="expected a network"):
        measure_model(network)


def test_the_field_is_what_a_pixel_changes() -> None:
    torch.manual_seed(0)
    network = RRDBNet(3, 3, 2, 4, 1, 2).eval().double()
    for value in network.parameters():
        nn.init.uniform_(value, 0.1, 1)  # so that nothing cancels
    radius = full_radius(network.float(), measure_model(network.float()))
    network.double()
    base = torch.rand(1, 3, 8, 128, dtype=torch.float64)
    reached = 0
    for place in (62, 63):
        other = base.clone()
        other[..., place] += 1
        with torch.no_grad():
            changed = (network(other) != network(base)).flatten(0, 2).any(0).nonzero().flatten() // 2
        reached = max(reached, place - int(changed[0]), int(changed[-1]) - place)
    assert reached == radius

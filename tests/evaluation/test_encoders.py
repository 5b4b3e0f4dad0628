"""Which part of a network gives features, and of how many crops."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from basicsr.archs.rrdbnet_arch import RRDBNet
from basicsr.archs.srvgg_arch import SRVGGNetCompact

from usrda_plugin.archs import USRDANet
from usrda_plugin.errors import SetupError
from usrda_plugin.evaluation.encoders import encoder_of
from usrda_plugin.monitoring.signals import feature_cells
from usrda_plugin.weights import fit

SMALL: dict[str, Any] = {"num_feat": 8, "num_block": 1, "num_grow_ch": 4}


def crops(count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", ["conv", "rrdb", "trunk"])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_features_are_those_of_usrdanets_encoder_in_cells_of_16_pixels(kind: Any, scale: int) -> None:
    torch.manual_seed(0)
    network = USRDANet(scale, kind, **SMALL, num_block_encoder=1, num_block_lr_decoder=0).eval()
    found = encoder_of(network)(crops()[:1]).detach()
    expected = feature_cells(network.encoder(crops()[:1]), 16 // network.encoder.shrink)[0].detach()
    assert found.shape == (16, 16)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_the_trunk_of_an_rrdbnet_is_usrdanets_encoder_of_kind_trunk(scale: int) -> None:
    torch.manual_seed(0)
    theirs = RRDBNet(3, 3, scale=scale, **SMALL).eval()
    ours = USRDANet(scale, "trunk", **SMALL, num_block_lr_decoder=0).eval()
    ours.load_state_dict(fit(ours, theirs.state_dict(), None).weights, strict=False)
    torch.testing.assert_close(encoder_of(theirs)(crops()), encoder_of(ours)(crops()))


def test_large_networks_see_the_middle_of_one_crop() -> None:
    small = encoder_of(USRDANet(4, "conv", **SMALL, num_block_lr_decoder=0))
    assert len(small(crops(8))) == 8 * 16
    large = small.__class__(small.network, small.shrink, 1e9)
    torch.testing.assert_close(large(crops(8)), small(crops(8)[:1, :, 16:48, 16:48]))


@pytest.mark.parametrize(
    "network",
    [SRVGGNetCompact(num_feat=8, num_conv=1, upscale=2), RRDBNet(3, 3, num_feat=8, num_block=0, num_grow_ch=4)],
    ids=["compact", "no trunk"],
)
def test_a_network_without_encoder_is_refused(network: torch.nn.Module) -> None:
    with pytest.raises(SetupError, match=r"expected a USRDANet or an RRDBNet, .* found \w+; give other weights"):
        encoder_of(network)


def test_a_network_for_gray_images_is_refused() -> None:
    with pytest.raises(SetupError, match="for RGB images, found one for 1 channels"):
        encoder_of(RRDBNet(1, 1, scale=2, **SMALL))

"""The adapted network as a file that other programs open."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from basicsr.archs.rrdbnet_arch import RRDBNet
from spandrel import ModelLoader

from usrda_plugin.adaptation.network_file import write_network
from usrda_plugin.archs import USRDANet
from usrda_plugin.archs.opening import open_network
from usrda_plugin.weights import NETWORK

SIZE = {"num_feat": 8, "num_block": 2, "num_grow_ch": 32}  # as many as all programs take for granted


def trained(folder: Path, **arguments: object) -> tuple[Path, USRDANet]:
    """A file as a training leaves it, and the averaged network in it."""
    torch.manual_seed(0)
    network, average = (USRDANet(**SIZE, **arguments, num_block_lr_decoder=1) for _ in range(2))  # type: ignore[arg-type]
    description = {"type": "USRDANet", **SIZE, **arguments, "num_block_lr_decoder": 1}
    content = {"params": network.state_dict(), "params_ema": average.state_dict(), NETWORK: description}
    torch.save(content, folder / "net_g_5.pth")
    return folder / "net_g_5.pth", average.eval()


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_with_a_trunk_it_is_an_rrdbnet_for_everybody_and_the_average(scale: int, tmp_path: Path) -> None:
    file, average = trained(tmp_path, encoder="trunk", scale=scale)
    assert write_network(file, tmp_path / "adapted.pth") == "RRDBNet"
    stock = RRDBNet(3, 3, scale=scale, **SIZE).eval()
    stock.load_state_dict(torch.load(tmp_path / "adapted.pth", weights_only=True)["params"], strict=True)
    x = torch.rand(1, 3, 16, 12)
    assert torch.equal(stock(x), average(x))
    assert torch.equal(open_network(tmp_path / "adapted.pth")(x), average(x))
    if scale > 1:  # which spandrel tells by the channels of large networks alone
        foreign = ModelLoader("cpu").load_from_file(tmp_path / "adapted.pth")
        assert foreign.scale == scale
        torch.testing.assert_close(foreign(x), average(x).clamp(0, 1))


@pytest.mark.parametrize(
    "arguments", [{"encoder": "rrdb", "num_block_encoder": 1, "scale": 2}, {"encoder": "trunk", "scale": 3}]
)
def test_another_network_is_a_usrdanet_without_g_t(arguments: dict[str, object], tmp_path: Path) -> None:
    file, average = trained(tmp_path, **arguments)
    assert write_network(file, tmp_path / "adapted.pth") == "USRDANet"
    content = torch.load(tmp_path / "adapted.pth", weights_only=True)
    assert not [name for name in content["params"] if name.startswith("lr_decoder.")]
    x = torch.rand(1, 3, 8, 8)
    assert torch.equal(open_network(tmp_path / "adapted.pth")(x), average(x))

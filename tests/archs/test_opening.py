"""A network is recognised by what its file says, by an option, or by the names and shapes of its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from basicsr.archs.rrdbnet_arch import RRDBNet
from basicsr.archs.srvgg_arch import SRVGGNetCompact
from torch import nn

from usrda_plugin.archs import USRDANet
from usrda_plugin.archs.opening import identify, open_network

SMALL = {"num_feat": 6, "num_grow_ch": 4, "num_block": 3, "num_block_lr_decoder": 2}
USRDA = [
    {"scale": scale, "encoder": kind, "num_block_encoder": first, "noise_ch": noise_ch, **SMALL}
    for scale, kind, first, noise_ch in (
        (4, "rrdb", 1, 0),
        (1, "rrdb", 2, 2),
        (4, "conv", 0, 1),
        (1, "trunk", 3, 1),
        (2, "trunk", 3, 0),
        (3, "trunk", 3, 0),
        (4, "trunk", 3, 2),
    )
]
NETWORKS = [
    *[("USRDANet", USRDANet, {"num_in_ch": 3, "num_out_ch": 3, **arguments}) for arguments in USRDA],
    *[
        ("RRDBNet", RRDBNet, {"num_in_ch": ch, "num_out_ch": ch, "scale": scale, "num_feat": 6, "num_block": blocks,
                              "num_grow_ch": 5})
        for ch, scale, blocks in ((3, 1, 1), (3, 2, 2), (3, 4, 1), (1, 4, 1))
    ],
    *[
        ("SRVGGNetCompact", SRVGGNetCompact, {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 5, "num_conv": convs,
                                              "upscale": scale, "act_type": "prelu"})
        for convs, scale in ((1, 2), (4, 4))
    ],
]  # fmt: skip


def saved(folder: Path, network: nn.Module, told: Any = None) -> Path:
    description = {} if told is None else {"network": told}
    torch.save({"params": network.state_dict(), **description}, folder / "net.pth")
    return folder / "net.pth"


def output(network: nn.Module, ch: int = 3) -> torch.Tensor:
    with torch.no_grad():
        return network.eval()(torch.linspace(0, 1, ch * 64).reshape(1, ch, 8, 8))


@pytest.mark.parametrize(("name", "kind", "arguments"), NETWORKS)
def test_weights_alone_tell_their_network(tmp_path: Path, name: str, kind: Any, arguments: dict[str, Any]) -> None:
    network = kind(**arguments)
    file = saved(tmp_path, network)
    assert identify(file).description == {"type": name, **arguments}
    opened = open_network(file)
    assert torch.equal(output(opened, arguments["num_in_ch"]), output(network, arguments["num_in_ch"]))
    assert not opened.training


def test_upscaling_needs_no_weights_of_g_t(tmp_path: Path) -> None:
    network = USRDANet(**USRDA[0])
    weights = {key: value for key, value in network.state_dict().items() if not key.startswith("lr_decoder.")}
    torch.save(weights, tmp_path / "net.pth")
    assert torch.equal(output(open_network(tmp_path / "net.pth")), output(network))


def test_weights_of_half_precision_are_opened_as_float32(tmp_path: Path) -> None:
    network = RRDBNet(3, 3, num_feat=4, num_block=1, num_grow_ch=4).half()
    opened = open_network(saved(tmp_path, network))
    assert {value.dtype for value in opened.parameters()} == {torch.float32}
    assert torch.equal(output(opened), output(network.float()))


def test_scale_2_and_3_are_told_apart_by_the_file_or_an_option(tmp_path: Path) -> None:
    arguments = {**USRDA[0], "scale": 3}
    network = USRDANet(**arguments)
    with pytest.raises(ValueError, match=r"scale 2 or 3, which are alike.*--opt"):
        open_network(saved(tmp_path, network))
    opened = open_network(saved(tmp_path, network), description={"type": "USRDANet", **arguments})
    assert output(opened).shape[-1] == 24
    identified = identify(saved(tmp_path, network, {"type": "USRDANet", **arguments}))
    assert identified.described_by == "file"
    assert identified.description["scale"] == 3


def test_an_option_file_counts_more_than_the_file_itself(tmp_path: Path) -> None:
    file = saved(tmp_path, USRDANet(**USRDA[0]), {"type": "RRDBNet"})
    assert identify(file, description={"type": "USRDANet", **USRDA[0]}).described_by == "option file"


def test_a_compact_network_with_relu_does_not_tell_its_activation(tmp_path: Path) -> None:
    arguments = {"num_feat": 4, "num_conv": 1, "act_type": "relu"}
    file = saved(tmp_path, SRVGGNetCompact(**arguments))
    with pytest.raises(ValueError, match="another activation"):
        open_network(file)
    assert open_network(file, description={"type": "SRVGGNetCompact", **arguments}).act_type == "relu"


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"type": "os.system"}, "expected a registered network, found type 'os.system'"),
        ({"type": "USRDANett"}, "did you mean 'USRDANet'?"),
        ({"type": ["USRDANet"]}, "expected a registered network"),
        ({}, "expected a registered network, found type None"),
        ({"type": "USRDANet", "scael": 2}, "takes no 'scael'"),
        ({"type": "USRDANet", "scale": "2; import os"}, "no plain value"),
        ({"type": "USRDANet", "scale": {"a": 1}}, "no plain value"),
        ({"type": "USRDANet", "scale": 5}, "expected scale 1, 2, 3 or 4"),
        ({"type": "RRDBNet", "num_in_ch": 3}, "'num_out_ch' is missing"),
        ({"type": "USRDANet", **USRDA[0], "num_feat": 8}, "other shape"),
    ],
)
def test_a_description_builds_registered_networks_with_their_own_arguments_only(
    tmp_path: Path, description: dict[str, Any], message: str
) -> None:
    file = saved(tmp_path, USRDANet(**USRDA[0]), description)
    with pytest.raises(ValueError, match=r"expected|cannot be built") as refusal:
        open_network(file)
    assert message in str(refusal.value)
    assert str(refusal.value).startswith(str(file))


def test_weights_of_another_network_are_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected weights of USRDANet.*found others \(0\.weight.*--opt FILE"):
        open_network(saved(tmp_path, nn.Sequential(nn.Conv2d(3, 3, 3))))
    network = RRDBNet(3, 3, num_feat=4, num_block=2, num_grow_ch=4)
    weights = network.state_dict()
    del weights["body.1.rdb2.conv3.bias"]
    torch.save(weights, tmp_path / "net.pth")
    with pytest.raises(ValueError, match=r"missing: body\.1\.rdb2\.conv3\.bias"):
        open_network(tmp_path / "net.pth")


NOTHING = torch.zeros(0, 6, 3, 3)


@pytest.mark.parametrize("number", range(len(NETWORKS)))
@pytest.mark.parametrize("odd", [torch.zeros(6), torch.zeros(()), torch.zeros(6, 0, 3, 3), NOTHING])
def test_fitting_names_with_odd_shapes_are_a_fault_of_the_file(tmp_path: Path, number: int, odd: torch.Tensor) -> None:
    _, kind, arguments = NETWORKS[number]
    whole = kind(**arguments).state_dict()
    told = ("conv_first.weight", "conv_last.weight", "body.0.weight", "conv_featmap.0.weight", "rdb1.conv1.weight")
    for name in (name for name in whole if name.endswith(told)):
        torch.save({**whole, name: odd}, tmp_path / "net.pth")
        with pytest.raises(ValueError, match=r"expected|cannot be built") as refusal:
            open_network(tmp_path / "net.pth")
        assert str(refusal.value).startswith(str(tmp_path / "net.pth"))


def test_the_public_compact_network_opens(shared_data: Path) -> None:
    file = shared_data.parent / "weights" / "realesr-animevideov3.pth"
    if not file.is_file():
        pytest.skip("these weights are not here")
    identified = identify(file)
    assert (identified.description["num_conv"], identified.description["upscale"]) == (16, 4)
    assert output(open_network(file)).shape == (1, 3, 32, 32)

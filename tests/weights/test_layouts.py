"""Weights are opened under whatever names people have given them, and give the same images to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from basicsr.archs.discriminator_arch import UNetDiscriminatorSN, VGGStyleDiscriminator
from basicsr.archs.rrdbnet_arch import RRDBNet
from safetensors.torch import save_file
from torch import Tensor, nn

from usrda_plugin.archs import USRDADiscriminator, USRDANet
from usrda_plugin.archs.opening import identify, open_network
from usrda_plugin.weights import MisfitError, fit, read_tensors

Weights = dict[str, Tensor]


def rrdbnet(scale: int = 4, blocks: int = 2) -> RRDBNet:
    torch.manual_seed(3)
    return RRDBNet(3, 3, scale=scale, num_feat=6, num_block=blocks, num_grow_ch=4).eval()


def first_layout(weights: Weights, blocks: int = 2, steps: int = 2) -> Weights:
    """The names of ESRGAN's first code: layers by their place in a sequence."""
    tail = [*(f"conv_up{step}" for step in range(1, steps + 1)), "conv_hr", "conv_last"]
    places = [*(3 * step for step in range(1, steps + 1)), 3 * steps + 2, 3 * steps + 4]
    starts = {"conv_first": "model.0", "conv_body": f"model.1.sub.{blocks}"}
    starts |= {name: f"model.{place}" for name, place in zip(tail, places, strict=True)}

    def renamed(name: str) -> str:
        layer, kind = name.rsplit(".", 1)
        if layer in starts:
            return f"{starts[layer]}.{kind}"
        _, number, dense, conv = layer.split(".")
        return f"model.1.sub.{number}.{dense.upper()}.{conv}.0.{kind}"

    return {renamed(name): value for name, value in weights.items()}


def second_layout(weights: Weights) -> Weights:
    """The names of ESRGAN's second code."""
    words = {"conv_body": "trunk_conv", "conv_up1": "upconv1", "conv_up2": "upconv2", "conv_hr": "HRconv"}
    words |= {"body": "RRDB_trunk", "rdb1": "RDB1", "rdb2": "RDB2", "rdb3": "RDB3"}
    return {".".join(words.get(part, part) for part in name.split(".")): value for name, value in weights.items()}


def prefixed(*prefix: str) -> Callable[[Weights], Weights]:
    return lambda weights: {".".join((*prefix, name)): value for name, value in weights.items()}


def compiled_blocks(weights: Weights) -> Weights:
    return {name.replace("body.1.", "body.1._orig_mod."): value for name, value in weights.items()}


def of_lightning(weights: Weights) -> Any:
    zeros = {f"net_g.{name}": torch.zeros_like(value) for name, value in weights.items()}
    critic = prefixed("net_d")(USRDADiscriminator(3, 4).state_dict())
    return {"state_dict": {**zeros, **critic, **prefixed("net_g_ema")(weights)}, "pytorch-lightning_version": "2"}


LAYOUTS: dict[str, Callable[[Weights], Any]] = {
    "basicsr": lambda weights: {"params": weights},
    "first": first_layout,
    "first, in a module": lambda weights: prefixed("module")(first_layout(weights)),
    "second": second_layout,
    "second, in params": lambda weights: {"params": second_layout(weights)},
    "generator.": prefixed("generator"),
    "net_g.": prefixed("net_g"),
    "_orig_mod.": prefixed("_orig_mod"),
    "model.": prefixed("model"),
    "module._orig_mod.": prefixed("module", "_orig_mod"),
    "model.generator.module.": lambda weights: {"state_dict": prefixed("model", "generator", "module")(weights)},
    "compiled blocks": compiled_blocks,
    "several networks by prefix": of_lightning,
    "containers in containers": lambda weights: {"params": {"RRDBNet": {"net": weights}}},
    "another spelling": lambda weights: {"params-ema": weights, "epoch": 3},
    "counters beside": lambda weights: {**prefixed("module")(weights), "n_averaged": torch.tensor(3)},
}


def saved(folder: Path, content: Any, name: str = "net.pth") -> Path:
    torch.save(content, folder / name)
    return folder / name


def image(network: nn.Module) -> Tensor:
    with torch.no_grad():
        return network.eval()(torch.linspace(0, 1, 3 * 64).reshape(1, 3, 8, 8))


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_layout_is_opened_everywhere_without_difference(layout: str, scale: int, tmp_path: Path) -> None:
    network = rrdbnet(scale)
    file = saved(tmp_path, LAYOUTS[layout](network.state_dict()))
    expected = image(network)
    assert identify(file).description["type"] == "RRDBNet"
    assert torch.equal(image(open_network(file)), expected)
    for start in (rrdbnet(scale), USRDANet(scale, "trunk", num_feat=6, num_block=2, num_grow_ch=4)):
        for parameter in start.parameters():
            parameter.data.zero_()
        start.load_state_dict(fit(start, read_tensors(file, mapped=True), "params").weights, strict=False)
        assert torch.equal(image(start), expected)


@pytest.mark.parametrize("of_encoder", [0, 1])
def test_all_layouts_start_the_rrdb_encoder_alike(of_encoder: int, tmp_path: Path) -> None:
    start = USRDANet(4, "rrdb", num_feat=6, num_block=2, num_grow_ch=4, num_block_encoder=of_encoder)
    weights = rrdbnet().state_dict()
    for layout in (dict, first_layout, second_layout):
        start.load_state_dict(fit(start, layout(weights), "params").weights, strict=False)
        images = image(start)
        assert torch.equal(start.sr_decoder.conv_last.weight, weights["conv_last.weight"])
        assert of_encoder or torch.equal(images, image(rrdbnet()))


@pytest.mark.parametrize(("scale", "steps"), [(1, 0), (2, 1)])
def test_esrgans_own_networks_of_scale_1_and_2_are_opened(scale: int, steps: int, tmp_path: Path) -> None:
    arguments = {"num_feat": 6, "num_block": 2, "num_grow_ch": 4, "num_block_encoder": 0, "num_block_lr_decoder": 0}
    network = USRDANet(scale, "rrdb", **arguments)
    parts = {name: value for name, value in network.state_dict().items() if not name.startswith("lr_decoder.")}
    weights = {name.partition(".")[2]: value for name, value in parts.items()}
    assert torch.equal(image(open_network(saved(tmp_path, first_layout(weights, 2, steps)))), image(network))
    assert torch.equal(image(open_network(saved(tmp_path, second_layout(weights)))), image(network))


def test_relatives_of_rrdbnet_are_refused_by_their_names(tmp_path: Path) -> None:
    weights = rrdbnet().state_dict()
    eight = {**weights, "conv_up3.weight": weights["conv_up2.weight"], "conv_up3.bias": weights["conv_up2.bias"]}
    variants = {
        "RRDBNet of scale 8": eight,
        "scale 8,": first_layout(eight, steps=3),
        r"ESRGAN\+": {**first_layout(weights), "model.1.sub.0.RDB1.conv1x1.weight": torch.zeros(4, 6, 1, 1)},
        "pixel shuffle": {**first_layout(weights), "model.2.weight": torch.zeros(24, 6, 3, 3)},
    }
    for named, content in variants.items():
        with pytest.raises(ValueError, match=f"{named}.*take the weights of an RRDBNet of scale 1, 2 or 4"):
            open_network(saved(tmp_path, content))
        with pytest.raises(MisfitError, match=named):
            fit(rrdbnet(), content, "params")


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("part", ["encoder", "sr_decoder", "lr_decoder"])
def test_a_part_of_the_trunk_network_is_started_from_a_file_of_its_own(part: str, scale: int) -> None:
    network = USRDANet(scale, "trunk", num_feat=6, num_block=1, num_grow_ch=4, num_block_lr_decoder=1)
    alone = network.get_submodule(part).state_dict()
    for content in (alone, {"params": alone}, {"params": network.state_dict()}):
        found = fit(network, content, "params", part).weights
        assert found.keys() == {f"{part}.{name}" for name in alone}
        assert all(torch.equal(value, network.state_dict()[name]) for name, value in found.items())


def test_content_counts_and_the_name_of_a_file_does_not(tmp_path: Path) -> None:
    weights = rrdbnet().state_dict()
    save_file(weights, tmp_path / "net.pth")
    torch.save({"params": weights}, tmp_path / "net.safetensors")
    for name in ("net.pth", "net.safetensors"):
        assert torch.equal(image(open_network(tmp_path / name)), image(rrdbnet()))


@pytest.mark.parametrize(
    "critic", [USRDADiscriminator(3, 4), UNetDiscriminatorSN(3, 4), VGGStyleDiscriminator(3, 4), None]
)
def test_a_critic_or_a_state_is_told_with_the_file_to_give(critic: nn.Module | None, tmp_path: Path) -> None:
    state = {"epoch": 0, "iter": 4, "optimizers": [{"state": {0: {"exp_avg": torch.zeros(2)}}}], "schedulers": []}
    weights = {} if critic is None else critic.state_dict()
    for layout in (dict, prefixed("module"), prefixed("net_d", "module")):
        content = {"params": layout(weights)} if weights else state
        file = saved(tmp_path, content)
        attempts = (lambda read: open_network(read), lambda read: fit(rrdbnet(), read_tensors(read), "params"))
        for attempt in attempts:
            with pytest.raises(ValueError, match=r"net_g_\*\.pth") as refusal:
                attempt(file)
            assert str(refusal.value).count("net_g_*.pth") == 1
            assert ("training state" if critic is None else "critic") in str(refusal.value)


def test_a_critic_that_wants_another_is_not_sent_to_the_generator() -> None:
    with pytest.raises(MisfitError, match="expected weights of USRDADiscriminator, found others; missing") as refusal:
        fit(USRDADiscriminator(3, 4), {"params": UNetDiscriminatorSN(3, 4).state_dict()}, "params")
    assert refusal.value.remedy == ""


def test_a_critic_beside_a_network_that_is_not_known_is_not_what_is_told(tmp_path: Path) -> None:
    critic = prefixed("net_d")(USRDADiscriminator(3, 4).state_dict())
    with pytest.raises(ValueError, match=r"found others \(.*; name the network by"):
        open_network(saved(tmp_path, {**critic, "net_g.strange.weight": torch.zeros(3)}))


def test_numbers_that_are_none_and_whole_numbers_for_fractions_are_refused() -> None:
    weights = rrdbnet().state_dict()
    broken = {**weights, "conv_hr.bias": torch.full((6,), float("nan"))}
    with pytest.raises(MisfitError, match=r"NaN or infinity in 1 of .*conv_hr\.bias"):
        fit(rrdbnet(), broken, "params")
    too_large = {**weights, "conv_hr.bias": torch.full((6,), 1e39, dtype=torch.float64)}
    with pytest.raises(MisfitError, match=r"range of float32, found NaN or infinity in 1 of .*conv_hr\.bias"):
        fit(rrdbnet(), too_large, "params")
    with pytest.raises(MisfitError, match=r"other type: conv_hr\.bias torch\.int8 for torch\.float32"):
        fit(rrdbnet(), {**weights, "conv_hr.bias": torch.zeros(6, dtype=torch.int8)}, "params")

"""Where an adaptation starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from basicsr.archs.srvgg_arch import SRVGGNetCompact

from usrda_plugin.adaptation.starts import BUNDLED, find_start
from usrda_plugin.archs import USRDANet
from usrda_plugin.archs.opening import open_network
from usrda_plugin.errors import SetupError


@pytest.mark.parametrize("scale", [2, 4])
def test_an_rrdbnet_becomes_the_usrdanet_that_computes_the_same(scale: int, rrdbnet: Callable[[int], Path]) -> None:
    start = find_start(rrdbnet(scale), None)
    assert start.scale == scale
    assert not start.bundled
    arguments = {key: value for key, value in start.network.items() if key != "type"}
    network = USRDANet(**arguments).eval()
    weights = network.fit_weights(torch.load(start.file, weights_only=True))
    assert not [
        name for name in network.load_state_dict(weights, strict=False).missing_keys if "lr_decoder" not in name
    ]
    x = torch.rand(1, 3, 12, 14)
    assert torch.equal(network(x), open_network(start.file)(x))
    assert start.parameters == sum(value.numel() for value in open_network(start.file).state_dict().values())


def test_a_scale_that_the_start_has_not_is_refused(rrdbnet: Callable[[int], Path]) -> None:
    with pytest.raises(SetupError, match="expected a network of scale 4, as --scale says, found scale 2"):
        find_start(rrdbnet(2), 4)


def test_a_network_without_an_encoder_is_refused(tmp_path: Path) -> None:
    torch.save({"params": SRVGGNetCompact(num_feat=4, num_conv=1, upscale=2).state_dict()}, tmp_path / "compact.pth")
    with pytest.raises(SetupError, match=r"expected a USRDANet or an RRDBNet .* found SRVGGNetCompact"):
        find_start(tmp_path / "compact.pth", None)


def test_what_is_no_file_of_weights_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "notes.pth").write_text("no weights")
    for name in ("notes.pth", "absent.pth"):
        with pytest.raises(SetupError, match=rf"--from: .*{name}"):
            find_start(tmp_path / name, None)


def test_a_scale_without_a_bundled_network_asks_for_one() -> None:
    with pytest.raises(SetupError, match=r"of scale 2 and 4, found 3; .*--from"):
        find_start(None, 3)


@pytest.mark.parametrize("scale", BUNDLED)
def test_networks_of_both_scales_come_with_the_package_small_and_with_a_card(scale: int) -> None:
    start = find_start(None, scale)
    assert start.bundled
    assert start.file.stat().st_size < 4_000_000
    assert "license: cc0-1.0" in start.file.with_suffix(".md").read_text()
    assert open_network(start.file)(torch.rand(1, 3, 8, 8)).shape == (1, 3, 8 * scale, 8 * scale)

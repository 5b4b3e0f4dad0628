"""``upscale``, from Python."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from usrda_plugin.archs import USRDANet
from usrda_plugin.archs.opening import open_network
from usrda_plugin.inference import Upscaler, upscale
from usrda_plugin.weights import NETWORK

SMALL = {"scale": 2, "encoder": "trunk", "num_feat": 4, "num_block": 1, "num_grow_ch": 2, "num_block_lr_decoder": 0}


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A file of a small network."""
    torch.manual_seed(0)
    content = {"params": USRDANet(**SMALL).state_dict(), NETWORK: {"type": "USRDANet", **SMALL}}
    torch.save(content, tmp_path / "network.pth")
    return tmp_path / "network.pth"


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder with a photograph, and one in a subfolder."""
    (tmp_path / "photos/more").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    for name in ("a.png", "more/b.png"):
        cv2.imwrite(str(tmp_path / "photos" / name), pixels)
    return tmp_path / "photos"


def test_a_folder_is_upscaled_as_the_upscaler_does_it(network: Path, photographs: Path, tmp_path: Path) -> None:
    done = upscale(network, photographs, tmp_path / "out", recursive=True)
    assert [file.relative_to(tmp_path / "out") for file in done.written] == [Path("a.png"), Path("more/b.png")]
    source = cv2.cvtColor(cv2.imread(str(photographs / "a.png")), cv2.COLOR_BGR2RGB)
    expected = Upscaler(open_network(network)).levels(source)
    written = cv2.cvtColor(cv2.imread(str(done.written[0])), cv2.COLOR_BGR2RGB)
    assert np.array_equal(written, expected)


def test_results_that_are_there_are_refused_skipped_or_replaced(
    network: Path, photographs: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out/a.png"
    target.parent.mkdir()
    target.write_bytes(b"mine")
    with pytest.raises(ValueError, match="expected no results"):
        upscale(network, photographs / "a.png", tmp_path / "out")
    assert upscale(network, photographs / "a.png", tmp_path / "out", existing="skip").skipped == [target]
    assert target.read_bytes() == b"mine"
    assert upscale(network, photographs / "a.png", tmp_path / "out", existing="overwrite").written == [target]
    assert target.read_bytes() != b"mine"


def test_a_damaged_photograph_is_named_and_the_others_are_done(
    network: Path, photographs: Path, tmp_path: Path
) -> None:
    (photographs / "z.png").write_bytes((photographs / "a.png").read_bytes()[:60])
    done = upscale(network, photographs, tmp_path / "out")
    assert [file.name for file in done.written] == ["a.png"]
    assert "z.png" in str(done.failures[0])

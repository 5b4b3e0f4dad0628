"""Photographs through networks."""

from __future__ import annotations

import builtins
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from basicsr.archs.srvgg_arch import SRVGGNetCompact
from torch import nn

from usrda_plugin.archs.bicubic import USRDABicubic
from usrda_plugin.inference import Upscaler
from usrda_plugin.reports import NetworkFile, Region, compare_on, compare_run
from usrda_plugin.reports.comparing import OF_EACH, SCENES
from usrda_plugin.reports.opening import open_any

Save = Callable[..., Path]


@pytest.fixture
def photographs(tmp_path: Path) -> list[Path]:
    """Five smooth photographs of 200 x 160 pixels."""
    files = []
    for number in range(5):
        coarse = np.random.default_rng(number).integers(0, 256, (12, 15, 3), dtype=np.uint8)
        files.append(tmp_path / f"{number}.png")
        assert cv2.imwrite(str(files[-1]), cv2.resize(coarse, (200, 160), interpolation=cv2.INTER_CUBIC))
    return files


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a small network: SRVGGNetCompact, whose residual is nearest enlargement, so its weights alone differ."""

    def write(name: str, scale: int = 2, brighter: float = 0.0) -> Path:
        torch.manual_seed(0)
        network = SRVGGNetCompact(num_feat=4, num_conv=1, upscale=scale)
        state = {key: torch.zeros_like(value) for key, value in network.state_dict().items()}
        state[list(state)[-1]] += brighter
        torch.save({"params": state}, tmp_path / name)
        return tmp_path / name

    return write


def test_views_are_what_the_networks_make_of_the_place_that_is_told(photographs: list[Path], save: Save) -> None:
    found = compare_on(photographs[:1], {"bicubic": None, "plain": save("a.pth")})
    scene = found.scenes[0]
    assert scene.names == ("bicubic", "plain")
    assert scene.size == (200, 160)
    levels = cv2.cvtColor(cv2.imread(str(photographs[0])), cv2.COLOR_BGR2RGB)
    whole = Upscaler(USRDABicubic(2)).levels(levels)
    place = scene.region.times(scene.scale)
    assert np.abs(place.cut(whole).astype(int) - scene.views[0].levels).max() <= 1
    nearest = scene.region.cut(levels).repeat(2, axis=0).repeat(2, axis=1)
    assert np.array_equal(scene.views[1].levels, nearest)
    difference = np.abs(nearest.astype(int) - scene.views[0].levels).mean()
    assert scene.difference == pytest.approx(difference)


def test_scenes_are_sorted_by_difference_and_few(photographs: list[Path], save: Save) -> None:
    flat = photographs[0].with_name("flat.png")
    assert cv2.imwrite(str(flat), np.full((160, 200, 3), 90, np.uint8))
    found = compare_on([flat, *photographs], {"bicubic": None, "plain": save("a.pth")}, limit=6)
    scores = [scene.score for scene in found.scenes]
    assert scores == sorted(scores, reverse=True)
    assert found.photographs == 6
    assert len(found.scenes) <= SCENES
    names = [scene.photograph for scene in found.scenes]
    assert max(map(names.count, names)) <= OF_EACH
    assert names[-1] == "flat.png"


def test_photographs_that_are_looked_at_are_evenly_spaced(photographs: list[Path], save: Save) -> None:
    told: list[str] = []
    compare_on(photographs, {"bicubic": None, "plain": save("a.pth")}, limit=2, note=told.append)
    assert told == ["photograph 1 of 2: 0.png", "photograph 2 of 2: 2.png"]


def test_the_two_that_are_named_decide(photographs: list[Path], save: Save) -> None:
    networks = {"bicubic": None, "a": save("a.pth"), "b": save("b.pth", brighter=0.2)}
    by_default = compare_on(photographs[:1], networks).scenes[0]
    assert by_default.between == ("a", "b")
    assert by_default.difference > 20
    assert compare_on(photographs[:1], networks, between=("bicubic", "a")).scenes[0].between == ("bicubic", "a")


def test_what_cannot_be_read_is_left_out_and_named(photographs: list[Path], save: Save) -> None:
    broken, small = (photographs[0].with_name(name) for name in ("broken.png", "small.png"))
    broken.write_bytes(photographs[0].read_bytes()[:200])
    assert cv2.imwrite(str(small), np.zeros((5, 40, 3), np.uint8))
    found = compare_on([broken, small, photographs[0]], {"bicubic": None, "plain": save("a.pth")})
    assert [(file, "cut off" in reason or "40x5" in reason) for file, reason in found.left_out] == [
        ("broken.png", True), ("small.png", True)
    ]  # fmt: skip
    assert found.photographs == 1


def test_networks_of_different_scales_are_refused(photographs: list[Path], save: Save) -> None:
    with pytest.raises(ValueError, match=r"one scale, found x2 \(a\), x4 \(b\)"):
        compare_on(photographs, {"a": save("a.pth"), "b": save("b.pth", 4)})


def test_gray_and_16_bit_photographs_are_shown_in_8_bit_colour(tmp_path: Path, save: Save) -> None:
    file = tmp_path / "gray.png"
    assert cv2.imwrite(str(file), np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (48, 1)))
    (scene,) = compare_on([file], {"bicubic": None, "plain": save("a.pth")}).scenes
    assert scene.region == Region(0, 0, 64, 48)
    assert {view.levels.dtype for view in scene.views} == {np.dtype(np.uint8)}
    assert scene.views[1].levels.shape == (96, 128, 3)
    assert scene.place == "the whole photograph"


def test_a_run_is_compared_with_its_start_on_the_photographs_of_its_options(run_folder: Path, save: Save) -> None:
    import yaml

    options = yaml.safe_load((run_folder / "mine.yml").read_text())
    options["path"] = {"pretrain_network_g": "start.pth"}
    options["datasets"]["train"]["dataroot_target"] = "photos"
    options["network_g"]["num_feat"] = 4
    (run_folder / "mine.yml").write_text(yaml.safe_dump(options))
    root = run_folder.parents[1]
    save("start.pth")
    save("experiments/mine/models/net_g_latest.pth", brighter=0.1)
    (root / "photos").mkdir()
    assert cv2.imwrite(str(root / "photos/a.png"), np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    found = compare_run(run_folder)
    assert found.notes == ()
    assert found.scenes[0].names == ("bicubic", "start", "trained")
    assert found.scenes[0].difference > 10
    (root / "start.pth").unlink()
    missing = compare_run(run_folder)
    assert missing.scenes[0].names == ("bicubic", "trained")
    assert missing.notes == ("the network 'start' is not there",)


def test_what_keeps_a_run_from_being_compared_is_said(run_folder: Path, photographs: list[Path]) -> None:
    assert compare_run(run_folder).notes[-1].startswith("the photographs are not where they were")
    assert compare_run(run_folder, photographs).notes[-1] == "the folder has no network"
    (run_folder / "models/net_g_latest.pth").write_bytes(b"nothing")
    assert "net_g_latest.pth" in compare_run(run_folder, photographs).notes[-1]


def test_a_network_of_another_kind_is_opened_by_spandrel_from_tensors(tmp_path: Path) -> None:
    arch = pytest.importorskip("spandrel.architectures.SPAN")
    network = arch.SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=2)
    torch.save(network.state_dict(), tmp_path / "span.pth")
    opened = open_any(tmp_path / "span.pth")
    image = torch.rand(1, 3, 16, 16)
    with torch.inference_mode():
        assert torch.equal(opened(image), network.eval()(image))


class Code:
    """What a pickle could do: write a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (self.file,)


def test_a_file_that_holds_code_is_given_to_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"weight": Code(tmp_path / "ran")}, tmp_path / "a.pth", pickle_module=pickle)
    refuse_spandrel(monkeypatch)
    with pytest.raises(ValueError, match="could run code"):
        open_any(tmp_path / "a.pth")
    assert not (tmp_path / "ran").exists()


def refuse_spandrel(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it were not installed."""
    original = builtins.__import__

    def importing(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "spandrel":
            raise ImportError(name)
        return original(name, *arguments, **more)

    monkeypatch.setattr(builtins, "__import__", importing)


def test_without_spandrel_what_it_would_open_is_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(nn.Conv2d(3, 3, 3).state_dict(), tmp_path / "a.pth")
    refuse_spandrel(monkeypatch)
    with pytest.raises(ValueError, match=r"a\.pth: expected weights .*pip install spandrel"):
        open_any(tmp_path / "a.pth")


def test_what_nobody_knows_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("spandrel")
    torch.save(nn.Conv2d(3, 3, 3).state_dict(), tmp_path / "a.pth")
    with pytest.raises(ValueError, match="spandrel does not know it either"):
        open_any(tmp_path / "a.pth")


def test_a_description_that_is_of_another_network_does_no_harm(save: Save) -> None:
    network = open_any(
        save("a.pth"), {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1}
    )
    assert isinstance(network, SRVGGNetCompact)
    described = NetworkFile(save("b.pth"), {"type": "SRVGGNetCompact", "num_feat": 4, "num_conv": 1, "upscale": 2})
    assert isinstance(open_any(*described), SRVGGNetCompact)

"""Patches of files: weights, VGG and training states."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from basicsr.archs import vgg_arch
from basicsr.archs.vgg_arch import VGGFeatureExtractor
from basicsr.models.base_model import BaseModel
from basicsr.train import load_resume_state
from torch import nn
from torchvision.models import vgg


class RunsCode:
    """Whose unpickling makes a folder."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, (str(self.witness),)


@pytest.fixture
def loader() -> Any:
    """A model that can load networks and do nothing else."""
    return BaseModel({"num_gpu": 0, "is_train": False, "dist": False})


@pytest.mark.parametrize(
    ("held", "match"),
    [
        ({"params": {"weight": torch.zeros(2, 3)}}, r"missing: bias"),
        (
            {"params": {"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "x": torch.zeros(1)}},
            r"unexpected: x",
        ),
        ({"params": {"weight": torch.zeros(5, 3), "bias": torch.zeros(2)}}, r"weight \(5, 3\) for \(2, 3\)"),
        ({"state_dict": {}}, r"below 'params', 'params_ema', or at the top, found only 'state_dict'"),
    ],
)
def test_weights_that_do_not_fit_are_explained(held: Any, match: str, loader: Any, tmp_path: Path) -> None:
    file = tmp_path / "net.pth"
    torch.save(held, file)
    with pytest.raises(ValueError, match=match) as caught:
        loader.load_network(nn.Linear(3, 2), str(file))
    assert str(file) in str(caught.value)
    with pytest.raises((RuntimeError, KeyError)):
        type(loader).load_network.__wrapped__(loader, nn.Linear(3, 2), str(file))


def test_weights_cannot_run_code_even_where_torch_would_let_them(
    loader: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, witness = tmp_path / "net.pth", tmp_path / "witness"
    torch.save({"params": RunsCode(witness)}, file)
    # the default of torch before 2.6, or the wish of some other package
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    warnings.simplefilter("ignore")  # torch names the variable; pytest takes the filter back
    with pytest.raises((TypeError, AttributeError)):
        type(loader).load_network.__wrapped__(loader, nn.Linear(3, 2), str(file))
    assert witness.exists(), "BasicSR's own load is meant to run it"
    witness.rmdir()
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD")
    with pytest.raises(ValueError, match="could run code"):
        loader.load_network(nn.Linear(3, 2), str(file))
    assert not witness.exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short"], ids=["empty", "damaged"])
def test_a_damaged_file_is_named(content: bytes, loader: Any, tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"net\.pth: "):
        loader.load_network(nn.Linear(3, 2), str(tmp_path / "net.pth"))


def test_a_missing_file_is_named(loader: Any) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth: expected a file of weights.*no such file"):
        loader.load_network(nn.Linear(3, 2), "nowhere.pth")


@pytest.mark.parametrize(
    ("param_key", "held"),
    [
        ("params", lambda weights: {"params": weights}),
        ("params_ema", lambda weights: {"params": weights}),
        ("params", lambda weights: {"params_ema": weights}),
        ("params", lambda weights: {"state_dict": weights}),
        ("params", lambda weights: weights),
        (None, lambda weights: {"params": weights}),
        ("params", lambda weights: {"params": {f"module.{name}": value for name, value in weights.items()}}),
        (None, lambda weights: weights),
    ],
)
def test_weights_that_fit_are_loaded(param_key: str | None, held: Any, loader: Any, tmp_path: Path) -> None:
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    torch.save(held(source.state_dict()), tmp_path / "net.pth")
    loader.load_network(target, str(tmp_path / "net.pth"), True, param_key)
    assert torch.equal(source.weight, target.weight)
    assert torch.equal(source.bias, target.bias)


def test_what_fits_is_loaded_where_strictness_is_off(loader: Any, tmp_path: Path) -> None:
    target = nn.Linear(3, 2)
    torch.save({"params": {"weight": torch.ones(2, 3), "bias": torch.zeros(7)}}, tmp_path / "net.pth")
    loader.load_network(target, str(tmp_path / "net.pth"), False)
    assert torch.equal(target.weight, torch.ones(2, 3))
    assert target.bias.shape == (2,)


def test_the_perceptual_loss_reads_vgg_from_disk_and_never_downloads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloads: list[bool] = []

    class Torchvision:
        @staticmethod
        def vgg11(pretrained: bool = False) -> nn.Module:
            downloads.append(pretrained)
            raise OSError("no network")

    asked = vgg.make_layers(vgg.cfgs["A"])
    torch.save({f"features.{name}": value for name, value in asked.state_dict().items()}, tmp_path / "vgg.pth")
    monkeypatch.setenv("USRDA_VGG_WEIGHTS", str(tmp_path / "vgg.pth"))
    extractor = VGGFeatureExtractor(["conv1_1"], vgg_type="vgg11")
    assert torch.equal(extractor.vgg_net.conv1_1.weight, asked[0].weight)
    monkeypatch.setattr(vgg_arch, "vgg", Torchvision)
    with pytest.raises(OSError, match="no network"):
        VGGFeatureExtractor(["conv1_1"], vgg_type="vgg11")
    assert downloads == [True], "BasicSR's own way is the download"


def test_a_perceptual_loss_without_weights_says_where_it_looked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("USRDA_VGG_WEIGHTS", str(tmp_path / "none.pth"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"none\.pth"):
        VGGFeatureExtractor(["conv1_1"], vgg_type="vgg19")


def resume_options(tmp_path: Path, auto_resume: bool) -> dict[str, Any]:
    states = tmp_path / "elsewhere" / "training_states"
    states.mkdir(parents=True)
    for iteration in (8, 16, 100):
        torch.save({"iter": iteration, "epoch": 1}, states / f"{iteration}.state")
        torch.save({"params": {}}, states / f"net_g_{iteration}.pth")
    path = {"training_states": str(states), "models": str(states), "experiments_root": str(states.parent)}
    path["resume_state"] = str(states / "16.state")
    return {"name": "run", "auto_resume": auto_resume, "path": path, "network_g": {}, "rank": 0}


def test_auto_resume_looks_where_the_run_keeps_its_states(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    options = resume_options(tmp_path, auto_resume=True)
    assert load_resume_state.__wrapped__(options) is None, "BasicSR finds nothing and would start again at 0"
    assert load_resume_state(options)["iter"] == 100
    assert options["path"]["pretrain_network_g"] == str(tmp_path / "elsewhere/training_states/net_g_100.pth")


def test_a_run_resumes_without_a_gpu(tmp_path: Path) -> None:
    options = resume_options(tmp_path, auto_resume=False)
    assert load_resume_state(options)["iter"] == 16
    if not torch.cuda.is_available():
        with pytest.raises((RuntimeError, AssertionError)):
            load_resume_state.__wrapped__(options)


def test_a_run_without_states_starts_afresh(tmp_path: Path) -> None:
    path = dict.fromkeys(("training_states", "models", "experiments_root"), str(tmp_path / "none"))
    options = {"auto_resume": True, "rank": 0, "path": path}
    assert load_resume_state(options) is None


def test_a_training_state_cannot_run_code(tmp_path: Path) -> None:
    options = resume_options(tmp_path, auto_resume=False)
    witness = tmp_path / "witness"
    torch.save({"iter": 16, "epoch": RunsCode(witness)}, options["path"]["resume_state"])
    with pytest.raises(ValueError, match=r"16\.state: expected tensors, .* could run code"):
        load_resume_state(options)
    assert not witness.exists()

"""Whoever opens a file of tensors runs nothing that is in it and says what is wrong with it."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from basicsr.archs.rrdbnet_arch import RRDBNet
from safetensors.torch import save_file
from torch import nn

from tests.models.test_usrda_model import build
from usrda_plugin.archs.opening import identify, open_network
from usrda_plugin.losses.vgg import load_vgg
from usrda_plugin.metrics.lpips import read_alexnet
from usrda_plugin.weights import UnreadableFileError, fit, limits, read_tensors, reading

Reader = Callable[[Path], object]


class Harmful:
    """Unpickled, it makes a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.mkdir, (self.mark,)


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Reader]:
    """Everything in the package that opens somebody's file of tensors."""
    model = build(tmp_path_factory.mktemp("model"))
    base = import_module("basicsr.models.base_model").BaseModel({"num_gpu": 0, "is_train": False, "dist": False})
    states = import_module("basicsr.train").load_resume_state

    def resume(file: Path) -> object:
        path = dict.fromkeys(("training_states", "models", "experiments_root"), str(file.parent))
        return states({"auto_resume": False, "rank": 0, "path": {**path, "resume_state": str(file)}})

    return {
        "read_tensors": read_tensors,
        "read_tensors, mapped": lambda file: read_tensors(file, mapped=True),
        "upscaling": identify,
        "training: generator": lambda file: model.load_network(model.net_g, str(file)),
        "training: critic": lambda file: model.load_network(model.critics["t"], str(file)),
        "BasicSR's networks": lambda file: base.load_network(nn.Linear(3, 2), str(file)),
        "training state": resume,
        "VGG": lambda file: load_vgg("vgg19", file),
        "AlexNet": read_alexnet,
    }


NAMES = (
    *("read_tensors", "read_tensors, mapped", "upscaling", "training: generator", "training: critic"),
    *("BasicSR's networks", "training state", "VGG", "AlexNet"),
)


def write_code(file: Path, mark: Path) -> None:
    torch.save({"params": {"w": torch.zeros(2)}, "iter": Harmful(mark)}, file)


def write_code_in_the_old_format(file: Path, mark: Path) -> None:
    torch.save({"params": {"w": torch.zeros(2)}, "iter": Harmful(mark)}, file, _use_new_zipfile_serialization=False)


def write_bare_pickle(file: Path, mark: Path) -> None:
    file.write_bytes(pickle.dumps({"params": Harmful(mark)}, protocol=2))


def write_newer_pickle(file: Path, mark: Path) -> None:
    file.write_bytes(pickle.dumps({"params": Harmful(mark)}))


@pytest.mark.parametrize("reader", NAMES)
@pytest.mark.parametrize(
    ("write", "told"),
    [
        (write_code, "could run code and are not loaded"),
        (write_code_in_the_old_format, "could run code and are not loaded"),
        (write_bare_pickle, "could run code and are not loaded"),
        (write_newer_pickle, "could run code and is not loaded"),
    ],
)
def test_code_in_a_file_does_not_run(
    reader: str,
    write: Callable[[Path, Path], None],
    told: str,
    readers: dict[str, Reader],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, mark = tmp_path / "net.pth", tmp_path / "it_ran"
    write(file, mark)
    with pytest.raises(ValueError, match=told) as refusal:
        readers[reader](file)
    assert str(file) in str(refusal.value)
    assert not mark.exists()


@pytest.mark.parametrize("write", [write_code, write_code_in_the_old_format, write_bare_pickle, write_newer_pickle])
def test_the_files_of_these_tests_are_as_harmful_as_they_should_be(
    write: Callable[[Path, Path], None], tmp_path: Path
) -> None:
    file, mark = tmp_path / "net.pth", tmp_path / "it_ran"
    write(file, mark)
    if write in (write_code, write_code_in_the_old_format):
        torch.load(file, weights_only=False)
    else:
        pickle.loads(file.read_bytes())
    assert mark.exists()


@pytest.mark.parametrize("reader", NAMES)
def test_what_is_no_file_of_tensors_is_told_by_name(reader: str, readers: dict[str, Reader], tmp_path: Path) -> None:
    whole = tmp_path / "whole.pth"
    torch.save({"params": {"w": torch.zeros(5000)}}, whole)
    contents = {
        "text.pth": (b"no weights\n", "found something else (it begins with b'no weigh')"),
        "empty.pth": (b"", "found an empty file"),
        "cut.pth": (whole.read_bytes()[:-500], "found a damaged or other file"),
        "begun.pth": (whole.read_bytes()[:700], "found a damaged or other file"),
    }
    for name, (content, told) in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match="expected a file of") as refusal:
            readers[reader](tmp_path / name)
        assert str(refusal.value).startswith(str(tmp_path / name))
        assert told in str(refusal.value)
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    with pytest.raises(ValueError, match=r"list\.pth: expected tensors by name, found something else \(a list\)"):
        readers[reader](tmp_path / "list.pth")
    for missing, found in (
        (tmp_path, "a folder"),
        (tmp_path / "none.pth", "no such file"),
        (tmp_path / "list.pth" / "net.pth", "no such file"),
        (tmp_path / ("a" * 300), "a name that is too long"),
        (Path("~nobody_of_that_name/net.pth"), "no such file"),
    ):
        if reader == "training state" and missing.parent != tmp_path:
            continue  # of the run's own folder alone
        with pytest.raises(FileNotFoundError, match=found):
            readers[reader](missing)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_with_any_byte_changed_is_read_or_refused_by_name(zipped: bool, tmp_path: Path) -> None:
    file, draw = tmp_path / "net.pth", random.Random(0)
    torch.save({"params": {"w": torch.zeros(4)}, "iter": 3}, file, _use_new_zipfile_serialization=zipped)
    content = file.read_bytes()
    refused = 0
    for _ in range(300):
        place = draw.randrange(len(content))
        file.write_bytes(content[:place] + bytes([draw.randrange(256)]) + content[place + 1 :])
        try:
            read_tensors(file)
        except UnreadableFileError as fault:
            refused += 1
            assert str(fault).startswith(str(file))  # noqa: PT017  (that none is raised is right too)
    assert refused > 20


# ---------------------------------------------------------------------- names


def rrdbnet() -> RRDBNet:
    torch.manual_seed(3)
    return RRDBNet(3, 3, num_feat=4, num_block=1, num_grow_ch=2)


@pytest.mark.parametrize("held_as", ["params", "params_ema"])
@pytest.mark.parametrize("asked", ["params", "params_ema"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_renamed_weights_are_found_by_all_who_load_networks(
    held_as: str, asked: str, prefix: str, readers: dict[str, Reader], tmp_path: Path
) -> None:
    file, model = tmp_path / "net.pth", build(tmp_path)
    for name, network in {"generator": model.net_g, "critic": model.critics["t"]}.items():
        wanted = {key: torch.rand_like(value) for key, value in network.state_dict().items()}
        torch.save({held_as: {prefix + key: value for key, value in wanted.items()}}, file)
        found = fit(network, read_tensors(file, mapped=True), asked)
        assert (found.weights.keys(), found.left_out) == (wanted.keys(), ""), name
        model.load_network(network, str(file), True, asked)
        assert all(torch.equal(value, wanted[key]) for key, value in network.state_dict().items()), name
    torch.save({held_as: {prefix + key: value for key, value in rrdbnet().state_dict().items()}}, file)
    opened = open_network(file)
    assert all(torch.equal(value, rrdbnet().state_dict()[key]) for key, value in opened.state_dict().items())


def test_a_network_of_another_shape_is_told_by_its_keys(tmp_path: Path) -> None:
    model = build(tmp_path)
    for network, first in ((model.net_g, "encoder.conv_first.weight"), (model.critics["t"], "")):
        weights = dict(network.state_dict())
        first = first or next(iter(weights))
        weights[first] = torch.zeros(7, 3, 3, 3)
        gone = list(weights)[-1]
        weights["strange"] = weights.pop(gone)
        torch.save({"params": weights}, tmp_path / "other.pth")
        before = {key: value.clone() for key, value in network.state_dict().items()}
        with pytest.raises(ValueError, match=r"other\.pth: expected") as refusal:
            model.load_network(network, str(tmp_path / "other.pth"))
        assert all(part in str(refusal.value) for part in (first, "(7, 3, 3, 3)", gone, "strange"))
        assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("content", [{"params": [1, 2]}, {"params": {"w": 3}}, {"iter": 3}, {}])
def test_a_file_without_weights_is_told(content: object, readers: dict[str, Reader], tmp_path: Path) -> None:
    torch.save(content, tmp_path / "net.pth")
    for reader in ("upscaling", "training: generator", "training: critic", "BasicSR's networks", "VGG", "AlexNet"):
        with pytest.raises(ValueError, match=r"net\.pth: expected"):
            readers[reader](tmp_path / "net.pth")


# ---------------------------------------------------------------------- what BasicSR opens itself


def test_networks_of_basicsr_that_open_files_themselves_run_nothing(tmp_path: Path) -> None:
    file, mark = tmp_path / "net.pth", tmp_path / "it_ran"
    write_code(file, mark)
    for arch, network in (("spynet_arch", "SpyNet"), ("tof_arch", "TOFlow")):
        build_it = getattr(import_module(f"basicsr.archs.{arch}"), network)
        with pytest.raises((pickle.UnpicklingError, TypeError)):
            build_it(load_path=str(file)) if network == "SpyNet" else build_it(False, str(file))
    assert not mark.exists()


def test_numbers_of_niqe_hold_no_objects(tmp_path: Path) -> None:
    file, mark = tmp_path / "numbers.npz", tmp_path / "it_ran"
    np.savez(file, mu=np.array([Harmful(mark)], dtype=object))
    with np.load(file) as held, pytest.raises(ValueError, match="allow_pickle=False"):
        held["mu"]
    assert not mark.exists()


def test_a_file_that_the_system_does_not_give_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    file = tmp_path / "net.pth"
    torch.save({"w": torch.zeros(2)}, file)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(
        UnreadableFileError, match=r"net\.pth: .*cannot be read \(Permission denied\); see that you may"
    ):
        read_tensors(file)


def test_what_safetensors_cannot_give_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"w": torch.zeros(2)}, tmp_path / "net.pth")
    monkeypatch.setattr(limits, "free_memory", lambda: 0)
    monkeypatch.setattr(limits, "SMALL", 0)
    with pytest.raises(UnreadableFileError, match="GiB of memory"):
        read_tensors(tmp_path / "net.pth")
    monkeypatch.undo()
    monkeypatch.setattr(reading, "safe_open", lambda *_, **__: 1 / 0)
    with pytest.raises(UnreadableFileError, match="damaged or other file"):
        read_tensors(tmp_path / "net.pth")

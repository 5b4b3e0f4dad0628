"""Files of weights: missing, damaged, with code, of another network; and those that fit."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from basicsr.archs.rrdbnet_arch import RRDBNet

from usrda_plugin.archs import USRDANet
from usrda_plugin.options import OptionError
from usrda_plugin.weights import fit

Options = dict[str, Any]
Faults = Callable[..., list[OptionError]]
Load = Callable[..., Options]


def rrdbnet(num_feat: int = 4) -> RRDBNet:
    return RRDBNet(3, 3, num_feat=num_feat, num_block=1, num_grow_ch=2)


@pytest.fixture
def file(tmp_path: Path, paired: Options) -> Path:
    """The file that ``pretrain_network_g`` names; it is not there yet."""
    paired["path"]["pretrain_network_g"] = str(tmp_path / "net_g.pth")
    return tmp_path / "net_g.pth"


def test_a_missing_file_is_told(paired: Options, file: Path, faults: Faults) -> None:
    [fault] = faults(paired)
    assert fault.key == "path.pretrain_network_g"
    assert "found no such file" in fault.message


def test_a_start_that_another_option_file_makes_is_told_with_the_command_that_makes_it(
    paired: Options, faults: Faults, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    start = "path:pretrain_network_g=experiments/first run/models/net_g_latest.pth"
    [fault] = faults(paired, start)
    assert fault.remedy == "correct the path, or remove pretrain_network_g to start without it"
    maker = tmp_path / "first run.yml"  # the option file is tmp_path / options.yml
    maker.write_text("name: first run\n")
    [fault] = faults(paired, start)
    assert fault.remedy.startswith(f"make it: basicsr train -opt '{maker}'; or correct the path, or remove")
    for other in ("first run/models/net_g_latest.pth", "experiments/first run/net_g_latest.pth", "first run.pth"):
        [fault] = faults(paired, f"path:pretrain_network_g={other}")
        assert "make it" not in fault.remedy
    [fault] = faults(paired, "path:pretrain_network_g=experiments/options/models/net_g_latest.pth")
    assert "make it" not in fault.remedy, "a file does not make its own start"


def test_weights_that_fit_pass(paired: Options, file: Path, load: Load) -> None:
    torch.save({"params": rrdbnet().state_dict()}, file)
    load(paired)
    torch.save({"params": {f"module.{key}": value for key, value in rrdbnet().state_dict().items()}}, file)
    load(paired)
    load(paired, "path:param_key_g=params_ema")


def test_weights_in_the_old_format_pass(paired: Options, file: Path, load: Load) -> None:
    torch.save({"params": rrdbnet().state_dict()}, file, _use_new_zipfile_serialization=False)
    load(paired)


def test_bare_weights_pass_by_any_usual_key(paired: Options, file: Path, load: Load) -> None:
    torch.save(rrdbnet().state_dict(), file)
    load(paired)
    load(paired, "path:param_key_g=~")


def test_weights_of_another_network_are_told_by_key_and_shape(paired: Options, file: Path, faults: Faults) -> None:
    weights = rrdbnet().state_dict()
    weights["extra.weight"] = weights.pop("conv_first.weight")
    weights["conv_last.bias"] = torch.zeros(7)
    torch.save({"params": weights}, file)
    [fault] = faults(paired)
    for part in ("missing: conv_first.weight", "unexpected: extra.weight", "conv_last.bias (7,) for (3,)"):
        assert part in fault.message


def test_weights_of_another_width_pass_where_they_need_not_be_strict(
    paired: Options, file: Path, load: Load, faults: Faults
) -> None:
    torch.save({"params": rrdbnet(num_feat=6).state_dict()}, file)
    assert "other shape" in faults(paired)[0].message
    load(paired, "path:strict_load_g=false")


def test_a_pickle_with_code_is_refused_and_not_run(paired: Options, file: Path, faults: Faults) -> None:
    marker = file.with_name("ran")

    class Evil:
        def __reduce__(self) -> Any:
            return Path.touch, (marker,)

    torch.save({"params": Evil()}, file)
    [fault] = faults(paired)
    assert "Python code or objects" in fault.message
    assert not marker.exists()


@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 half a zip file"])
def test_a_damaged_file_is_told(content: bytes, paired: Options, file: Path, faults: Faults) -> None:
    file.write_bytes(content)
    [fault] = faults(paired)
    assert fault.key == "path.pretrain_network_g"


def test_a_file_without_weights_is_told(paired: Options, file: Path, faults: Faults) -> None:
    torch.save([1, 2], file)
    assert "a list" in faults(paired)[0].message
    torch.save({"iter": 3}, file)
    assert "found only 'iter'" in faults(paired)[0].message


def test_weights_for_a_network_that_is_not_there_are_told(paired: Options, file: Path, faults: Faults) -> None:
    torch.save({"params": rrdbnet().state_dict()}, file)
    [fault] = faults(paired, "path:pretrain_network_g=~", f"path:pretrain_network_d={file}")
    assert "no network_d" in fault.message


def test_a_missing_state_to_go_on_with_is_told(paired: Options, faults: Faults) -> None:
    [fault] = faults(paired, "path:resume_state=/nowhere/4.state")
    assert fault.key == "path.resume_state"


STATE = {"epoch": 1, "iter": 4, "optimizers": [], "schedulers": [{"milestones": Counter([3])}]}


def test_a_training_state_passes(paired: Options, tmp_path: Path, load: Load) -> None:
    torch.save(STATE, tmp_path / "4.state")
    load(paired, f"path:resume_state={tmp_path / '4.state'}")


def test_a_file_that_is_no_training_state_is_told(paired: Options, tmp_path: Path, faults: Faults) -> None:
    torch.save({"params": rrdbnet().state_dict(), "iter": 4}, tmp_path / "4.state")
    [fault] = faults(paired, f"path:resume_state={tmp_path / '4.state'}")
    assert fault.key == "path.resume_state"
    assert "it has no epoch, optimizers, schedulers" in fault.message


@pytest.mark.parametrize("length", [0, 3, 200])
def test_a_training_state_cut_short_is_to_be_removed(
    length: int, paired: Options, tmp_path: Path, faults: Faults
) -> None:
    file = tmp_path / "4.state"
    torch.save(STATE, file)
    file.write_bytes(file.read_bytes()[:length])
    [fault] = faults(paired, f"path:resume_state={file}")
    assert fault.key == "path.resume_state"
    assert "remove it, then --auto_resume goes on from the one before" in fault.remedy


def test_usrdanet_is_asked_what_it_takes(unpaired: Options, tmp_path: Path, load: Load, faults: Faults) -> None:
    network = USRDANet(4, "conv", num_feat=4, num_block=1)
    file = tmp_path / "net_g.pth"
    torch.save({"params": network.state_dict()}, file)
    load(unpaired, f"path:pretrain_network_g={file}")
    load(unpaired, f"path:pretrain_network_g_encoder={file}")
    torch.save({"params": rrdbnet().state_dict()}, file)
    [fault] = faults(unpaired, f"path:pretrain_network_g={file}")
    assert "expected weights of USRDANet" in fault.message
    [fault] = faults(unpaired, f"path:pretrain_network_g_lr_decoder={file}")
    assert fault.key == "path.pretrain_network_g_lr_decoder"


def test_weights_that_fit_are_taken_by_their_key_and_bare() -> None:
    network = rrdbnet()
    fit(network, {"params": network.state_dict()}, "params")
    fit(network, network.state_dict(), None)


def test_a_system_that_does_not_tell_its_memory_can_start(
    paired: Options, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sysconf")  # as on Windows
    load(paired)

"""What is told before the first iteration of things that a run will not do, and loggers that cannot begin."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from usrda_plugin.cli.basicsr import main
from usrda_plugin.options import notes_on

OptionFile = Callable[..., Path]
OPT: dict[str, Any] = {
    "is_train": True,
    "datasets": {"train": {}, "val": {}},
    "train": {"total_iter": 100},
    "val": {"val_freq": 50, "save_img": False, "metrics": {"psnr": {}}},
    "logger": {"print_freq": 10, "save_checkpoint_freq": 50},
}
TOLD = [
    ({"val": None}, "No validation: the option file has val below datasets, but no block val."),
    ({"datasets": {"train": {}}}, "No validation: the option file has a block val, but no data set val"),
    ({"val": {**OPT["val"], "val_freq": 101}}, "The only validation will be after the training: val: val_freq is 101"),
    ({"val": {**OPT["val"], "metrics": None}}, "Images will be enlarged, and neither measured nor saved"),
    (
        {"logger": {"print_freq": 101, "save_checkpoint_freq": 50}},
        "No losses will be logged: logger: print_freq is 101",
    ),
    ({"logger": {"print_freq": 10, "save_checkpoint_freq": 101}}, "save_checkpoint_freq is 101, total_iter 100."),
    ({"is_train": False, "datasets": {"test": {}}, "val": {"save_img": False}}, "neither measured nor saved"),
]
SILENT = [
    {},
    {"datasets": {"train": {}}, "val": None},
    {"val": {**OPT["val"], "metrics": None, "save_img": True}},
    {"val": {**OPT["val"], "metrics": None, "signals": {"crops": 2}}},
    {"is_train": False, "datasets": {"test": {}}, "val": {"save_img": True}},
]


@pytest.mark.parametrize(("changes", "told"), TOLD, ids=[told[:40] for _, told in TOLD])
def test_what_a_run_will_not_do_is_told(changes: dict[str, Any], told: str) -> None:
    [note] = notes_on({**OPT, **changes})
    assert told in note


PATH = {"pretrain_network_g": None, "resume_state": None}
ADAPTING: dict[str, Any] = {
    **{**OPT, "model_type": "USRDAModel", "scale": 2},
    "datasets": {"train": {"dataroot_target": "lr"}, "val": {}},
    "path": PATH,
}


def test_a_run_that_adapts_random_weights_is_warned_of_with_the_key_and_the_ways_to_a_start() -> None:
    [note] = notes_on(ADAPTING)
    assert note.startswith("THIS RUN ADAPTS A NETWORK OF RANDOM WEIGHTS")
    for said in ("path: pretrain_network_g: FILE", "options/train_psnr.yml", "scale: 2", "RRDBNet", "encoder: trunk"):
        assert said in note
    assert "psnr_iter" not in note
    [note] = notes_on({**ADAPTING, "train": {**OPT["train"], "psnr_iter": 30}})
    assert "its first 30 iterations on pairs alone (psnr_iter)" in note


@pytest.mark.parametrize(
    "changes",
    [
        {"path": {**PATH, "pretrain_network_g": "start.pth"}},
        {"path": {**PATH, "pretrain_network_g_encoder": "a.pth", "pretrain_network_g_sr_decoder": "b.pth"}},
        {"path": {**PATH, "resume_state": "8.state"}},
        {"model_type": "SRModel"},
        {"model_type": "ESRGANModel"},
        {"datasets": {"train": {}, "val": {}}},
        {"datasets": {"train": {"dataroot_target": None}, "val": {}}},
    ],
    ids=["start", "parts", "resumed", "psnr", "gan", "no target", "target null"],
)
def test_others_begin_from_random_weights_or_a_start_without_a_word(changes: dict[str, Any]) -> None:
    assert notes_on({**ADAPTING, **changes}) == []


def test_half_a_start_is_none() -> None:
    [note] = notes_on({**ADAPTING, "path": {"pretrain_network_g_encoder": "a.pth"}})
    assert "RANDOM WEIGHTS" in note


@pytest.mark.parametrize("changes", SILENT, ids=str)
def test_nothing_is_told_where_all_is_done(changes: dict[str, Any]) -> None:
    assert notes_on({**OPT, **changes}) == []


@pytest.mark.parametrize("lacks", ["val", "datasets"])
def test_a_training_without_validation_says_so_before_its_first_iteration(
    lacks: str, workshop: Path, option_file: OptionFile
) -> None:
    changes: dict[str, Any] = {"val": None} if lacks == "val" else {"datasets": {"val": None}}
    assert main(["train", "-opt", str(option_file(train={"total_iter": 1}, **changes))]) == 0
    [log] = [file.read_text() for file in workshop.glob("experiments/tiny/train_*.log")]
    assert log.count("WARNING: No validation") == 1
    assert log.index("No validation") < log.index("Start training")


def test_wandb_that_cannot_log_in_is_told_with_the_ways_out_and_leaves_nothing(
    workshop: Path, option_file: OptionFile, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (workshop / "elsewhere").mkdir()
    (workshop / "elsewhere" / "wandb.py").write_text(
        "class util:\n    generate_id = staticmethod(lambda: 'a1')\n\n\n"
        "def init(**_):\n    raise RuntimeError('api_key not configured (no-tty)')\n"
    )
    monkeypatch.syspath_prepend(workshop / "elsewhere")
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    file = option_file(logger={"use_tb_logger": True, "wandb": {"project": "p", "resume_id": None}})
    try:
        assert main(["train", "-opt", str(file)]) == 2
    finally:
        sys.modules.pop("wandb", None)
    told = capsys.readouterr().err
    assert "basicsr: logger: wandb: W&B cannot begin: api_key not configured (no-tty); log in once" in told
    assert "WANDB_MODE=offline" in told
    assert "Traceback" not in told
    assert not (workshop / "experiments").exists()


REMOVED = [["val=null"], ["val=~"], ["val=None"], ["datasets:val=null"], ["val=null", "datasets:val=~"]]


@pytest.mark.parametrize("forced", REMOVED, ids=" ".join)
def test_a_block_that_the_command_line_sets_to_null_is_removed(
    forced: list[str], workshop: Path, option_file: OptionFile, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "-opt", str(option_file()), "--force_yml", *forced, "train:total_iter=1"]
    assert main(arguments) == 0
    assert "Validation held_out" not in capsys.readouterr().err
    resolved = yaml.safe_load((workshop / "experiments/tiny/tiny.yml").read_text())
    for keys in (override.split("=")[0].split(":") for override in forced):
        block = resolved
        for key in keys[:-1]:
            block = block[key]
        assert keys[-1] not in block


@pytest.mark.parametrize(
    ("forced", "told"),
    [
        ("train=null", "optim_g is missing"),
        ("network_g=null", "network_g is missing"),
        ("datasets:train=null", "datasets: train"),
        ("datasets=~", "datasets"),
        ("logger=null", "logger"),
    ],
)
def test_a_block_that_a_run_needs_cannot_be_removed(
    forced: str, told: str, workshop: Path, option_file: OptionFile, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "-opt", str(option_file()), "--force_yml", forced]) == 2
    message = capsys.readouterr().err
    assert "in the options; nothing was started, nothing was written" in message
    assert told in message
    assert "remedy: " in message
    assert not (workshop / "experiments").exists()

"""What is told before the first iteration of things that a run will not do, and loggers that cannot begin."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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

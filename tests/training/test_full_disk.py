"""A disk that takes no more: what is said, from which checkpoint training can go on, and what does not end it."""

from __future__ import annotations

import errno
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training import tiny
from usrda_plugin.errors import SetupError, TrainingError
from usrda_plugin.models import USRDAModel
from usrda_plugin.training.run import TrainingRun
from usrda_plugin.weights import writing

QUICK: dict[str, Any] = {"datasets": {"val": None}, "val": None}
ENDED = "training stops, {}; mend the disk, then {}"
NONE = ENDED.format("and no checkpoint has been saved", "start again")
THREE, SIX = (ENDED.format(f"the checkpoint of iteration {n} is whole", "go on with --auto_resume") for n in (3, 6))


def no_room(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def filling(name: str) -> Callable[..., None]:
    """Writing as before, until files of this name come; of the first set the manifest is not needed, as in BasicSR."""
    original = writing._write

    def write(file: Path, fill: Callable[..., object]) -> None:
        original(file, no_room if name in file.name else fill)

    return write


@pytest.mark.parametrize(("full", "end"), [("net_g_3", NONE), ("3.json", THREE), ("9.json", SIX)])
def test_a_checkpoint_without_room_is_reported_with_the_one_that_is_whole_or_none(
    full: str, end: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_write", filling(full))
    with pytest.raises(TrainingError) as ended:
        tiny.train(here, QUICK)
    assert "No space left on device" in str(ended.value)
    assert str(ended.value).endswith(end)


def test_networks_without_room_after_the_last_iteration_are_reported_alike(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "_write", filling("latest"))
    with pytest.raises(TrainingError, match=r"_latest\.pth: cannot be written.*iteration 12 is whole; mend the disk"):
        tiny.train(here, QUICK)


@pytest.mark.parametrize(("at", "end"), [(2, NONE), (8, SIX)])
def test_so_is_whatever_else_has_no_room_in_the_training(
    at: int, end: str, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = TrainingRun.update_learning_rate

    def update(self: TrainingRun, current_iter: int, *arguments: Any, **named: Any) -> None:
        original(self, current_iter, *arguments, **named)
        if current_iter == at:
            no_room()

    monkeypatch.setattr(TrainingRun, "update_learning_rate", update)
    with pytest.raises(TrainingError) as ended:
        tiny.train(here, QUICK)
    assert str(ended.value) == f"[Errno 28] No space left on device; {end}"


def test_a_start_without_room_is_refused_and_leaves_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(USRDAModel, "init_training_settings", no_room)
    with pytest.raises(SetupError, match="No space left on device"):
        tiny.train(here, QUICK)
    assert not (here / "experiments").exists()


@pytest.fixture
def full_log(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[logging.FileHandler]]:
    """From the second iteration on the log's file is /dev/full; gives the handler."""
    found: list[logging.FileHandler] = []
    original = TrainingRun.update_learning_rate

    def update(self: TrainingRun, current_iter: int, *arguments: Any, **named: Any) -> None:
        original(self, current_iter, *arguments, **named)
        if current_iter == 2:
            handlers = logging.getLogger("basicsr").handlers
            found.extend(handler for handler in handlers if isinstance(handler, logging.FileHandler))
            found[0].stream.close()
            found[0].stream = Path("/dev/full").open("w")  # noqa: SIM115 - the handler closes it

    monkeypatch.setattr(TrainingRun, "update_learning_rate", update)
    yield found
    assert found, "no log was open"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no full device")
def test_a_log_without_room_is_reported_once_and_ends_nothing(
    here: Path, full_log: list[logging.FileHandler], capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.train(here, {**QUICK, "train": {"total_iter": 4}})
    output = capsys.readouterr().err
    [file] = (here / "experiments/tiny").glob("train_*.log")
    assert output.count(f"{file}: the log cannot be written (No space left on device); it is here alone\n") == 1
    assert "Traceback" not in output
    assert "iter:       4" in output
    assert (here / "experiments/tiny/models/net_g_latest.pth").is_file()


def test_a_board_without_room_is_reported_without_its_threads_traceback(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tensorboard.summary.writer import record_writer

    original = record_writer.RecordWriter.write

    def write(self: Any, data: bytes) -> None:
        no_room() if b"l_g_total" in data else original(self, data)

    monkeypatch.setattr(record_writer.RecordWriter, "write", write)
    before = threading.excepthook
    with pytest.raises(TrainingError, match=r"No space left on device; training stops, "):
        tiny.train(here, {**QUICK, "logger": {"use_tb_logger": True}})
    assert "Traceback" not in capsys.readouterr().err
    assert threading.excepthook is before

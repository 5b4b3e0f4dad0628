"""What a process says, and raises, when another one of its run is gone."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import suppress

import pytest
import torch
from basicsr.utils import get_root_logger

from usrda_plugin.cli.exits import run_command
from usrda_plugin.errors import PeerFailureError, SetupError
from usrda_plugin.training.failures import peer_failures, setup_errors

CLOSED = RuntimeError("[/src/gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:9. This is typical.")
SILENT = RuntimeError("[/src/gloo/transport/tcp/unbound_buffer.cc:78] Timed out waiting 600000ms for recv operation")
NCCL = torch.distributed.DistBackendError("NCCL error: remote process exited or there was a network error\nstack")


@pytest.fixture(autouse=True)
def third_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first process of the second machine."""
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 4)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "0")


@pytest.fixture
def reported() -> Iterator[list[str]]:
    """What goes into the log."""
    lines: list[str] = []
    logger = get_root_logger()
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def leave(error: Exception, phase: str = "train") -> None:
    with peer_failures(phase):
        raise error


@pytest.mark.parametrize(
    ("error", "reason"),
    [(CLOSED, "Connection closed by peer [127.0.0.1]:9"), (SILENT, "Timed out waiting 600000ms for recv operation"),
     (NCCL, "NCCL error: remote process exited or there was a network error")],
)  # fmt: skip
def test_a_lost_process_is_one_line_with_the_way_on(error: Exception, reason: str, reported: list[str]) -> None:
    with pytest.raises(PeerFailureError):
        leave(error)
    (line,) = reported
    assert line.startswith(f"Process 2 of 4 (counted from 0) has lost another one, which has ended or hangs ({reason})")
    assert line.endswith("Start again with --auto_resume to go on from the last checkpoint.")
    with pytest.raises(PeerFailureError, match=r"Start again\.$"):
        leave(error, "test")


@pytest.mark.parametrize(("local_rank", "speaks"), [("0", True), ("1", True), ("2", False)])
def test_two_of_a_machine_tell_of_it(
    local_rank: str, speaks: bool, reported: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", local_rank)
    with pytest.raises(PeerFailureError):
        leave(CLOSED)
    assert bool(reported) is speaks


def test_other_errors_stay_what_they_are(reported: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (RuntimeError("CUDA out of memory"), ValueError("no image"), ZeroDivisionError()):
        with pytest.raises(type(error)) as raised:
            leave(error)
        assert raised.value is error
    assert reported == []
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 1)
    with pytest.raises(RuntimeError) as alone:
        leave(CLOSED)
    assert alone.value is CLOSED


def test_who_leaves_the_others_says_why(reported: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(FileNotFoundError):
        leave(FileNotFoundError("hr/1.png: no such file"))
    assert reported == ["Process 2 of 4 (counted from 0): hr/1.png: no such file"]


def test_the_command_ends_with_1_and_repeats_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    def command(chosen: argparse.Namespace) -> None:
        raise PeerFailureError("reported")

    def parser() -> argparse.ArgumentParser:
        parser = argparse.ArgumentParser()
        parser.add_argument("--debug", action="store_true")
        return parser

    assert run_command("basicsr", parser, command, []) == 1
    assert capsys.readouterr().err == ""
    with pytest.raises(PeerFailureError):
        run_command("basicsr", parser, command, ["--debug"])


def test_before_training_what_was_made_is_rolled_back() -> None:
    rolled_back: list[str] = []
    with (
        suppress(SetupError),
        setup_errors(lambda: True, lambda: rolled_back.append("folders")),
        peer_failures("train"),
    ):
        raise CLOSED
    assert rolled_back == ["folders"]

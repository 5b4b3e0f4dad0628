"""A training that is asked to stop: it saves, ends well, and goes on as if it had not been."""

from __future__ import annotations

import os
import pty
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import tiny
from usrda_plugin.errors import SetupError
from usrda_plugin.models import USRDAModel
from usrda_plugin.training.run import TrainingRun
from usrda_plugin.training.stopping import StopRequest

Do = Callable[[], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    tiny.images(folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        return tiny.train(folder)


def in_iteration(monkeypatch: pytest.MonkeyPatch, iteration: int, do: Do) -> None:
    """Do something in the middle of an iteration."""
    original = TrainingRun.update_learning_rate

    def update(self: TrainingRun, current_iter: int, *arguments: Any, **named: Any) -> None:
        original(self, current_iter, *arguments, **named)
        if current_iter == iteration:
            do()

    monkeypatch.setattr(TrainingRun, "update_learning_rate", update)


def in_the_image(monkeypatch: pytest.MonkeyPatch, do: Do) -> None:
    """Do something at the first image that is validated, once."""
    original, calls = USRDAModel.test, iter([True])

    def test(self: USRDAModel) -> None:
        if next(calls, False):
            do()
        original(self)

    monkeypatch.setattr(USRDAModel, "test", test)


def in_validation(monkeypatch: pytest.MonkeyPatch, iteration: int, do: Do) -> None:
    """Do something in a validation, when signals are measured but the best network is not chosen."""
    original = USRDAModel._validate

    def validate(self: USRDAModel, loader: Any, current_iter: int, *arguments: Any) -> None:
        if current_iter == iteration:
            do()
        original(self, loader, current_iter, *arguments)

    monkeypatch.setattr(USRDAModel, "_validate", validate)


def sent(number: signal.Signals) -> Do:
    return lambda: os.kill(os.getpid(), number)


def more(run: Path, iteration: int) -> Any:
    return torch.load(run / f"training_states/{iteration}.more", weights_only=True)


ALSO = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)


@pytest.mark.parametrize("number", [signal.SIGTERM, *(pytest.param(one, marks=pytest.mark.slow) for one in ALSO)])
def test_a_signal_saves_what_was_done_and_nothing_is_different_in_the_end(
    here: Path,
    whole: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = signal.getsignal(number)
    with monkeypatch.context() as patched:
        in_iteration(patched, 7, sent(number))
        run = tiny.train(here)
    assert signal.getsignal(number) is before
    told = "".join(capsys.readouterr())
    assert f"stopped by {number.name} after iteration 7; go on with --auto_resume" in told
    assert "Training images: 11 source images of hr; 5 target images of lr." in told
    assert "usrda upscale --weights experiments/tiny/models/net_g_latest.pth --input" in told
    for network in ("net_g", "net_d_f"):
        latest, kept = (run / "models" / f"{network}_{which}.pth" for which in ("latest", "7"))
        assert latest.read_bytes() == kept.read_bytes()
    assert (run / "training_states/7.json").is_file()
    assert "latest" not in (run / "training_states/7.json").read_text(), "it belongs to no checkpoint"
    assert not (run / "training_states/8.state").exists()
    tiny.train(here, auto_resume=True)
    extra = {f"{name}_7.pth" for name in ("net_g", "net_d_f", "net_d_t", "net_d_y")} | {"7.state", "7.more"}
    found = {place: value for place, value in tiny.tensors(run).items() if place.split(":")[0] not in extra}
    assert found == tiny.tensors(whole)
    assert tiny.logged(run) == tiny.logged(whole)


def test_in_a_validation_it_stops_at_once_and_validates_again_when_it_goes_on(
    here: Path, whole: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patched:
        in_the_image(patched, sent(signal.SIGTERM))
        run = tiny.train(here)
    assert more(run, 3)["validated"] is False
    tiny.train(here, auto_resume=True)
    assert "its validation comes first" in "".join(capsys.readouterr())
    assert more(run, 6)["validated"] is True
    expected = tiny.tensors(whole)
    different = {place for place, value in tiny.tensors(run).items() if value != expected[place]}
    # that checkpoint itself has the state of before its validation
    assert {place.split(":")[0] for place in different} == {"3.more"}
    assert tiny.logged(run) == tiny.logged(whole)


@pytest.mark.slow
def test_a_validation_that_fails_leaves_the_checkpoint_of_its_iteration(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as patched:
        in_validation(patched, 6, fail)
        with pytest.raises(RuntimeError, match="out of memory"):
            tiny.train(here)
    run = here / "experiments/tiny"
    assert more(run, 6)["validated"] is False


@pytest.mark.slow
def test_an_interrupt_that_is_repeated_breaks_off_at_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def twice() -> None:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    in_iteration(monkeypatch, 5, twice)
    with pytest.raises(KeyboardInterrupt):
        tiny.train(here)
    assert not (here / "experiments/tiny/training_states/5.state").exists()


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_a_closed_terminal_and_a_batch_systems_warning_ask_too(number: signal.Signals) -> None:
    request, unheard = StopRequest(), []
    before = signal.signal(number, lambda *_: unheard.append(number))  # its default would end the tests
    try:
        with request.listening():
            os.kill(os.getpid(), number)
            assert request.reason == number.name
        os.kill(os.getpid(), number)
    finally:
        signal.signal(number, before)
    assert unheard == [number], "afterwards it is as it was"


def test_what_nohup_has_let_ignore_is_ignored_still() -> None:
    request, before = StopRequest(), signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with request.listening():
            os.kill(os.getpid(), signal.SIGHUP)
            assert request.reason is None
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.slow
def test_a_training_whose_terminal_is_closed_saves_and_ends_its_workers(here: Path) -> None:
    tiny.option_file(
        here,
        {
            "datasets": {"train": {"num_worker_per_gpu": 2, "dataset_enlarge_ratio": 40}},
            "train": {"total_iter": 100000},
            "val": None,
        },
    )
    process, terminal = pty.fork()
    if process == 0:
        os.execvp(sys.executable, [sys.executable, "-m", "usrda_plugin.cli.basicsr", "train", "-opt", "tiny.yml"])
    shown = b""
    while not re.search(rb"[1-9]\d* of 100,000", shown):  # what the live area says
        shown += os.read(terminal, 65536)
    (workers,) = Path(f"/proc/{process}/task").glob(f"{process}/children")
    children = [int(number) for number in workers.read_text().split()]
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    run = here / "experiments/tiny"
    (log,) = run.glob("train_*.log")
    stopped = re.search(r"stopped by SIGHUP after iteration (\d+); go on with --auto_resume", log.read_text())
    assert stopped
    assert (run / f"training_states/{stopped[1]}.json").is_file()
    assert len(children) >= 2
    assert [number for number in children if Path(f"/proc/{number}").exists()] == []


def test_a_time_limit_saves_too(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tiny.train(here, time_limit=0)
    assert "stopped by the time limit of 0 seconds after iteration 0" in "".join(capsys.readouterr())
    assert list((run / "training_states").iterdir()) == []
    assert list((run / "models").iterdir()) == [], "of what has not been trained there is no network"


def test_before_its_time_is_over_nothing_asks() -> None:
    assert StopRequest(1000).reason is None
    assert StopRequest().reason is None
    assert StopRequest(0).reason == "the time limit of 0 seconds"


# ------------------------------------------------------------------------------------------- one training a folder


def test_a_second_training_in_the_folder_is_refused_and_touches_nothing(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, found = here / "experiments/tiny", []

    def again() -> None:
        before = sorted(here.rglob("*"))
        for auto_resume in (False, True):
            with pytest.raises(SetupError, match="another training is running in this folder"):
                tiny.train(here, auto_resume=auto_resume)
        found.append(sorted(here.rglob("*")) == before)

    in_iteration(monkeypatch, 4, again)
    tiny.train(here)
    assert found == [True]
    assert (run / "training_states/12.json").is_file()
    assert tiny.leftovers(run) == []


# ------------------------------------------------------------------------------------------- with other options


@pytest.mark.slow
def test_a_smaller_batch_is_trained_to_the_end(here: Path) -> None:
    large, small = (
        {"datasets": {"train": {"batch_size_per_gpu": batch, "dataset_enlarge_ratio": 2}}} for batch in (5, 1)
    )
    tiny.train(here, {"train": {"total_iter": 9}, **large})
    run = tiny.train(here, small, auto_resume=True)
    assert (run / "training_states/12.json").is_file(), "in fewer epochs than it has begun already"


@pytest.mark.slow
def test_another_metric_begins_anew_and_none_is_no_fault(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.train_killed(monkeypatch, 7, here)
    two = {"val": {"metrics": {"again": tiny.PSNR["psnr"]}}}
    run = tiny.train(here, {**two, "train": {"total_iter": 9}}, auto_resume=True)
    assert more(run, 9)["best_metrics"]["pairs"].keys() == {"psnr", "again"}
    tiny.train(here, {"val": None}, auto_resume=True)


@pytest.mark.slow
def test_another_number_of_processes_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny.train_killed(monkeypatch, 8, here)
    file = run / "training_states/6.more"
    saved = torch.load(file, weights_only=True)
    saved["position"]["world_size"] = 4
    torch.save(saved, file)
    for manifest in (run / "training_states").glob("*.json"):
        manifest.unlink()
    with pytest.raises(SetupError, match=r"6\.state was saved by 4 processes, found 1: start as many as before"):
        tiny.train(here, auto_resume=True)


@pytest.mark.slow
def test_another_batch_goes_on_from_the_same_sample_and_says_what_changed(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.train_killed(monkeypatch, 4, here)
    run = tiny.train(
        here, {"datasets": {"train": {"batch_size_per_gpu": 1}}, "train": {"total_iter": 4}}, auto_resume=True
    )
    assert "datasets:train:batch_size_per_gpu: was 2, is 1" in "".join(capsys.readouterr())
    assert more(run, 3)["position"]["samples"] == 6

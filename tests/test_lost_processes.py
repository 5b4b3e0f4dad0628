"""A process of a distributed training is killed, or hangs: the others end soon, and say how to go on."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.processes import OPTIONS, furnish, noted, started, train

pytestmark = pytest.mark.slow

A_MINUTE = 60
TRAIN = ("train", "-opt", "options.yml")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    furnish(tmp_path)
    (tmp_path / "options.yml").write_text(yaml.safe_dump(OPTIONS, sort_keys=False))
    return tmp_path


def sleeper(place: Path, rank: int, launcher: subprocess.Popen[str]) -> int:
    """The process that sleeps in its third iteration, while the others wait for its gradients."""
    file = place / f"asleep{rank}.txt"
    while not file.exists() or not file.read_text().endswith("\n"):
        assert launcher.poll() is None, launcher.communicate()
        time.sleep(0.05)
    return int(file.read_text())


def log_of(place: Path) -> str:
    (log,) = place.glob("experiments/two/train_*.log")
    return log.read_text()


@pytest.mark.parametrize(("lost", "teller"), [(1, 0), (0, 1)])
def test_when_one_process_is_killed_the_others_end_within_a_minute_and_say_how_to_go_on(
    place: Path, lost: int, teller: int
) -> None:
    with started(place, 2, *TRAIN, environment={"SLEEPER": str(lost)}) as launcher:
        process = sleeper(place, lost, launcher)
        time.sleep(1)  # so that the other one waits
        os.kill(process, signal.SIGKILL)
        _, told = launcher.communicate(timeout=A_MINUTE)
    assert launcher.returncode != 0
    assert f"Process {teller} of 2 (counted from 0) has lost another one" in told
    assert "Start again with --auto_resume" in told
    # torchrun's report, which names the signal, has a traceback of torchrun's own
    assert "SIGKILL" in told
    assert "usrda_plugin/models" not in told
    assert len(noted(place, "sums")[teller]) == 2


def test_a_process_that_hangs_is_not_waited_for_longer_than_the_user_says(place: Path) -> None:
    with started(place, 2, *TRAIN, environment={"SLEEPER": "1", "USRDA_DIST_TIMEOUT": "0.2"}) as launcher:
        sleeper(place, 1, launcher)
        _, told = launcher.communicate(timeout=A_MINUTE)
    assert launcher.returncode != 0
    assert "has lost another one, which has ended or hangs (Timed out waiting 12000ms" in told
    assert "has lost another one" in log_of(place), "who looks into the log next day finds it there"


OFTEN = ("--force_yml", "logger:save_checkpoint_freq=2", "network_g:noise_ch=1", "logger:use_tb_logger=false")


def sums(place: Path) -> list[object]:
    """What each process had become in the end."""
    return [lines[-1] for lines in noted(place, "sums")]


def test_a_run_that_has_lost_a_process_goes_on_as_if_it_had_not(place: Path, tmp_path_factory: Any) -> None:
    whole = tmp_path_factory.mktemp("whole")
    furnish(whole)
    train(whole, OPTIONS, *OFTEN)
    with started(place, 2, *TRAIN, *OFTEN, environment={"SLEEPER": "1"}) as launcher:
        os.kill(sleeper(place, 1, launcher), signal.SIGKILL)
        launcher.communicate(timeout=A_MINUTE)
    assert launcher.returncode != 0
    train(place, OPTIONS, "--auto_resume", *OFTEN)
    assert "Restored at iteration 2" in newest_log(place)
    assert sums(place) == sums(whole), "each process has its own noise, and goes on with it"
    with started(place, 3, *TRAIN, "--auto_resume", *OFTEN) as launcher:
        _, told = launcher.communicate(timeout=A_MINUTE)
    assert "6.state was saved by 2 processes, found 3" in told
    assert launcher.returncode != 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
def test_a_signal_to_all_processes_saves_at_the_same_iteration_and_ends_well(
    place: Path, number: signal.Signals
) -> None:
    endless = ("--force_yml", "train:total_iter=100000", "logger:use_tb_logger=false")
    with started(place, 2, *TRAIN, *endless) as launcher:
        while not (place / "sums1.txt").exists():
            assert launcher.poll() is None, launcher.communicate()
            time.sleep(0.05)
        for worker in workers_of(launcher.pid):
            os.kill(worker, number)
        _, told = launcher.communicate(timeout=A_MINUTE)
    assert launcher.returncode == 0, told
    stopped = re.search(rf"stopped by {number.name} after iteration (\d+); go on with", newest_log(place))
    assert stopped
    assert [len(lines) for lines in noted(place, "sums")] == [int(stopped[1])] * 2
    assert (place / f"experiments/two/training_states/{stopped[1]}.json").is_file()


def newest_log(place: Path) -> str:
    return max(place.glob("experiments/two/train_*.log"), key=lambda log: log.stat().st_mtime_ns).read_text()


def workers_of(launcher: int) -> list[int]:
    return [int(number) for number in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()]

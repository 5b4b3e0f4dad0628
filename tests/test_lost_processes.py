"""A process of a distributed training is killed, or hangs: the others end soon, and say how to go on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests.processes import OPTIONS, furnish, noted, started

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
    with started(place, 2, *TRAIN, environment={"SLEEPER": "1", "USRDA_DIST_TIMEOUT": "0.05"}) as launcher:
        sleeper(place, 1, launcher)
        _, told = launcher.communicate(timeout=A_MINUTE)
    assert launcher.returncode != 0
    assert "has lost another one, which has ended or hangs (Timed out waiting 3000ms" in told
    assert "has lost another one" in log_of(place), "who looks into the log next day finds it there"

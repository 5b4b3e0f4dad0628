"""Training by the real command, one run at a time, gone on with where it was cut off."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from trainings import Training

Options = dict[str, Any]


class TrainingFailed(RuntimeError):
    """The training command ended with a fault; the message has the end of its log."""


def folder_of(name: str, out: Path) -> Path:
    """Where BasicSR keeps a run."""
    return out / "experiments" / name


def finished(name: str, out: Path) -> dict[str, Any] | None:
    """The seconds that a run took, None where they are not known, and its threads, if it is finished."""
    file = out / "finished" / f"{name}.json"
    return json.loads(file.read_text()) if file.is_file() else None


def written(options: Options) -> str:
    """Options as the text of an option file."""
    return yaml.safe_dump(options, sort_keys=False)


def forget(name: str, out: Path) -> None:
    """Remove a run, so that it is trained again."""
    (out / "finished" / f"{name}.json").unlink(missing_ok=True)
    shutil.rmtree(folder_of(name, out), ignore_errors=True)


def train(training: Training, out: Path, threads: int) -> None:
    """Train, unless it is done, below ``out``; a run that was cut off goes on if its options are still the same.

    Raises TrainingFailed.
    """
    with _alone(training.name, out):
        file = out / "options" / f"{training.name}.yml"
        same = file.is_file() and file.read_text() == written(training.options)
        if same and finished(training.name, out):
            return
        states = folder_of(training.name, out) / "training_states"
        if not (same and any(states.glob("*.state"))):
            forget(training.name, out)
        file.parent.mkdir(exist_ok=True)
        file.write_text(written(training.options))
        _run(training.name, out, threads)


def train_source(training: Training, out: Path, threads: int) -> None:
    """Train what others start from, unless there is one: it stays, even if its option file has been edited since."""
    if not finished(training.name, out):
        train(training, out, threads)


@contextmanager
def _alone(name: str, out: Path) -> Iterator[None]:
    """While open, no other process trains this run."""
    lock = out / "locks" / name
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(name: str, out: Path, threads: int) -> None:
    log = out / "logs" / f"{name}.log"
    record = out / "finished" / f"{name}.json"
    for folder in (log.parent, record.parent):
        folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "usrda_plugin", "train", "-opt", f"options/{name}.yml", "--auto_resume"]
    clock = folder_of(name, out) / "seconds.json"
    earlier = seconds_before(clock)
    started = time.monotonic()
    with log.open("a") as output:
        try:
            code = subprocess.run(command, cwd=out, stdout=output, stderr=subprocess.STDOUT,
                                  env=_environment(threads), check=False).returncode  # fmt: skip
        finally:
            seconds = None if earlier is None else earlier + time.monotonic() - started
            if clock.parent.is_dir():
                clock.write_text(json.dumps(seconds))
    if code:
        raise TrainingFailed(f"{name}: basicsr train ended with {code}; the end of {log}:\n{log.read_text()[-1500:]}")
    record.write_text(json.dumps({"seconds": seconds, "threads": threads}))


def seconds_before(clock: Path) -> float | None:
    """Seconds that a run took before it was cut off, from beside its states; None where a kill has lost them."""
    if not clock.parent.is_dir():
        return 0
    return json.loads(clock.read_text()) if clock.is_file() else None


def _environment(threads: int) -> dict[str, str]:
    # in places of their own, so that relative ones of the caller's would be lost: files of weights
    named = {key: str(Path(os.environ[key]).expanduser().resolve())
             for key in ("USRDA_VGG_WEIGHTS", "USRDA_ALEXNET_WEIGHTS") if os.environ.get(key)}  # fmt: skip
    return {**os.environ, **named, "OMP_NUM_THREADS": str(threads)}

"""Loader processes for which something is missing: a message with the way on, before the start or in the training."""

from __future__ import annotations

import multiprocessing
import multiprocessing.synchronize
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.training import tiny
from usrda_plugin.data import USRDADataset, workers
from usrda_plugin.errors import SetupError, TrainingError
from usrda_plugin.options import consistency

WITH_WORKER: dict[str, Any] = {"datasets": {"train": {"num_worker_per_gpu": 1}, "val": None}, "val": None}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    tiny.images(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def raising(error: Exception) -> Any:
    def sample(*_: Any) -> None:
        raise error

    return sample


def test_shared_memory_smaller_than_a_batch_is_told_before_the_start(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consistency, "free_shared_memory", lambda: 2047)
    with pytest.raises(
        SetupError, match=r"(?s)num_worker_per_gpu.*need 2048 bytes .* has 2047.*--shm-size.*worker_per_gpu: 0"
    ):
        tiny.train(here, WITH_WORKER)
    assert not (here / "experiments").exists()
    tiny.train(here, {"datasets": {"val": None}, "val": None, "train": {"total_iter": 1}})  # none is needed


@pytest.mark.parametrize("free", [None, 2048])
def test_other_shared_memory_is_tried(here: Path, free: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consistency, "free_shared_memory", lambda: free)
    tiny.train(here, {**WITH_WORKER, "train": {"total_iter": 1}})


SHM = "unable to allocate shared memory(shm) for file </torch_1>: No space left on device (28)"
BUS = "DataLoader worker (pid 3) is killed by signal: Bus error. It is possible that workers are out of shared memory."


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError(SHM), "--shm-size"),
        (RuntimeError(BUS), "--shm-size"),
        (RuntimeError("DataLoader worker (pid 3) is killed by signal: Killed. "), "signal: Killed); training stops"),
        (RuntimeError("DataLoader worker (pid(s) 3) exited unexpectedly"), "exited unexpectedly); training stops"),
        (OSError(24, "Too many open files"), "ulimit -n"),
        (RuntimeError("received 0 items of ancdata"), "ulimit -n"),
    ],
)
def test_what_is_missing_in_the_training_is_told_with_the_last_checkpoint(
    here: Path, error: Exception, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny.train(here, {**WITH_WORKER, "train": {"total_iter": 3}})
    monkeypatch.setattr(USRDADataset, "__getitem__", raising(error))
    options = {"datasets": {"val": None}, "val": None, "train": {"total_iter": 6}}
    with pytest.raises(TrainingError) as ended:
        tiny.train(here, options, auto_resume=True)
    assert told in str(ended.value)
    assert "iteration 3 is whole" in str(ended.value)
    assert "num_worker_per_gpu: 0" in str(ended.value)
    assert str(ended.value).endswith("then go on with --auto_resume")


@pytest.mark.skipif(multiprocessing.get_start_method() != "fork", reason="the data set is changed in this process")
def test_a_loader_process_that_is_killed_is_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = os.getpid()

    def die(*_: Any) -> None:
        assert os.getpid() != parent
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(USRDADataset, "__getitem__", die)
    with pytest.raises(TrainingError, match=r"loader process has ended.*(Killed|exited).*no checkpoint has been saved"):
        tiny.train(here, WITH_WORKER)


def test_a_system_that_makes_no_semaphore_is_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocessing.synchronize.SemLock, "_make_name", staticmethod(lambda: "/no/such/place"))
    monkeypatch.setattr(USRDADataset, "__getitem__", lambda *_: multiprocessing.Lock())
    with pytest.raises(TrainingError, match=r"expected shared memory in .*num_worker_per_gpu: 0.*then start again"):
        tiny.train(here, {"datasets": {"val": None}, "val": None})


def test_other_errors_stay_as_they_are(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    error = RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    monkeypatch.setattr(USRDADataset, "__getitem__", raising(error))
    with pytest.raises(RuntimeError) as raised:
        tiny.train(here, {"datasets": {"val": None}, "val": None})
    assert raised.value is error
    assert workers.what_workers_lack(ValueError("image 3")) is None


def _can_mount() -> bool:
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    tried = ["unshare", "-m", "mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", "/dev/shm"]
    try:
        return subprocess.run(tried, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not _can_mount(), reason="needs the right to mount")
def test_64_kilobytes_of_shared_memory_end_in_a_message(here: Path) -> None:
    tiny.option_file(here, {**WITH_WORKER, "datasets": {**WITH_WORKER["datasets"], "train": {"num_worker_per_gpu": 2}}})
    mount = 'mount -t tmpfs -o size=64k tmpfs /dev/shm && exec "$@"'
    command = [sys.executable, "-m", "usrda_plugin", "train", "-opt", "tiny.yml"]
    done = subprocess.run(["unshare", "-m", "sh", "-c", mount, "sh", *command], capture_output=True, text=True)
    assert done.returncode == 1
    assert "basicsr: expected shared memory in /dev/shm" in done.stderr
    assert "Traceback" not in done.stderr
    bigger = [*command, "--force_yml", "datasets:train:batch_size_per_gpu=9", "datasets:train:gt_size=48"]
    bigger.append("datasets:train:dataset_enlarge_ratio=9")
    done = subprocess.run(["unshare", "-m", "sh", "-c", mount, "sh", *bigger], capture_output=True, text=True)
    assert done.returncode == 2
    assert "loader processes need 82944 bytes or more" in done.stderr

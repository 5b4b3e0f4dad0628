"""One training a folder, also where locks do not work or their holder is gone; a failed start takes back its own."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from usrda_plugin import file_lock
from usrda_plugin.training.run_folder import Rollback, RunLock

REFUSALS = [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP]


@pytest.fixture(params=[*REFUSALS, None], ids=[*map(errno.errorcode.get, REFUSALS), "no fcntl"])
def without_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that answers so, or a system that has no flock at all."""
    if request.param is None:
        monkeypatch.setattr(file_lock, "fcntl", None)
        return

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(file_lock.fcntl, "flock", flock)


def leave(run: Path, **owner: object) -> Path:
    """The lock file of a run that was killed."""
    run.mkdir(parents=True)
    file = run / ".lock"
    file.write_text(json.dumps({"since": "2026-01-02 03:04:05+00:00", **owner}))
    return file


def ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.usefixtures("without_locks")
def test_without_locks_one_training_runs_and_leaves_nothing(tmp_path: Path) -> None:
    lock = RunLock(tmp_path / "experiments/run")
    with pytest.raises(ValueError, match=f"another training is running .*process {os.getpid()} on"):
        RunLock(tmp_path / "experiments/run")
    (tmp_path / "experiments/run").mkdir()
    lock.settle()
    lock.release()
    assert [path.name for path in (tmp_path / "experiments").rglob("*")] == ["run"]


@pytest.mark.usefixtures("without_locks")
def test_without_locks_a_killed_run_of_another_host_is_named_with_the_way_on(tmp_path: Path) -> None:
    file = leave(tmp_path / "run", host="elsewhere", pid=17)
    with pytest.raises(ValueError, match="no locks") as refusal:
        RunLock(tmp_path / "run")
    for word in (str(file), "process 17 on elsewhere", "since 2026-01-02 03:04:05", "delete that file"):
        assert word in str(refusal.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    file.unlink()
    RunLock(tmp_path / "run").release()


@pytest.mark.usefixtures("without_locks")
@pytest.mark.parametrize("content", ["", "not json", "[]", '{"pid": "x", "host": 3}'])
def test_without_locks_a_lock_file_that_says_nothing_is_named(tmp_path: Path, content: str) -> None:
    leave(tmp_path / "run").write_text(content)
    with pytest.raises(ValueError, match="delete that file"):
        RunLock(tmp_path / "run")


@pytest.mark.usefixtures("without_locks")
@pytest.mark.skipif(os.name == "nt", reason="processes are asked by signal 0")
def test_without_locks_a_killed_run_of_this_host_holds_nothing(tmp_path: Path) -> None:
    leave(tmp_path / "run", host=socket.gethostname(), pid=ended_process())
    lock = RunLock(tmp_path / "run")
    assert json.loads((tmp_path / "run/.lock").read_text())["pid"] == os.getpid()
    lock.release()


@pytest.mark.parametrize("host", ["elsewhere", socket.gethostname()])
def test_with_locks_what_a_killed_run_left_holds_nothing(tmp_path: Path, host: str) -> None:
    leave(tmp_path / "run", host=host, pid=os.getpid())
    RunLock(tmp_path / "run").release()
    assert list((tmp_path / "run").iterdir()) == []


def test_two_may_not_begin_the_same_folder_at_once(tmp_path: Path) -> None:
    first = RunLock(tmp_path / "experiments/run")
    with pytest.raises(ValueError, match="another training"):
        RunLock(tmp_path / "experiments/run")
    RunLock(tmp_path / "experiments/other").release()
    first.release()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_moved_aside_is_not_the_one_that_is_held(tmp_path: Path) -> None:
    run = tmp_path / "experiments/run"
    run.mkdir(parents=True)
    lock = RunLock(run)
    lock.let_move()
    with pytest.raises(ValueError, match="another training"):
        RunLock(run)
    run.rename(tmp_path / "experiments/run_archived")
    run.mkdir()
    lock.settle()
    with pytest.raises(ValueError, match="another training"):
        RunLock(run)
    lock.release()
    assert [path.name for path in sorted((tmp_path / "experiments").rglob("*"))] == ["run", "run_archived"]


def test_a_rollback_leaves_other_runs_and_older_archives_alone(tmp_path: Path) -> None:
    run, archive, other = (tmp_path / name for name in ("run", "run_archived_1", "run2_archived_1"))
    archive.mkdir()
    rollback = Rollback([run])
    run.mkdir()
    other.mkdir()
    rollback.undo()
    assert sorted(tmp_path.iterdir()) == sorted([other, archive])

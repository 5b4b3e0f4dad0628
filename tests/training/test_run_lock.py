"""Who may train in a folder where locks do not work, or their holder is gone."""

from __future__ import annotations

import errno
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from usrda_plugin.training import claim as module
from usrda_plugin.training.run_lock import Claim

REFUSALS = [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP]


@pytest.fixture(params=[*REFUSALS, None], ids=[*map(errno.errorcode.get, REFUSALS), "no fcntl"])
def without_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that answers so, or a system that has no flock at all."""
    if request.param is None:
        monkeypatch.setattr(module, "fcntl", None)
        return

    def flock(descriptor: int, operation: int) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(module.fcntl, "flock", flock)


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
    claim = Claim(tmp_path / "experiments/run")
    with pytest.raises(ValueError, match=f"another training is running .*process {os.getpid()} on"):
        Claim(tmp_path / "experiments/run")
    (tmp_path / "experiments/run").mkdir()
    claim.settle()
    claim.release()
    assert [path.name for path in (tmp_path / "experiments").rglob("*")] == ["run"]


@pytest.mark.usefixtures("without_locks")
def test_without_locks_a_killed_run_of_another_host_is_named_with_the_way_on(tmp_path: Path) -> None:
    file = leave(tmp_path / "run", host="elsewhere", pid=17)
    with pytest.raises(ValueError, match="no locks") as refusal:
        Claim(tmp_path / "run")
    for word in (str(file), "process 17 on elsewhere", "since 2026-01-02 03:04:05", "delete that file"):
        assert word in str(refusal.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    file.unlink()
    Claim(tmp_path / "run").release()


@pytest.mark.usefixtures("without_locks")
@pytest.mark.parametrize("content", ["", "not json", "[]", '{"pid": "x", "host": 3}'])
def test_without_locks_a_lock_file_that_says_nothing_is_named(tmp_path: Path, content: str) -> None:
    leave(tmp_path / "run").write_text(content)
    with pytest.raises(ValueError, match="delete that file"):
        Claim(tmp_path / "run")


@pytest.mark.usefixtures("without_locks")
@pytest.mark.skipif(os.name == "nt", reason="processes are asked by signal 0")
def test_without_locks_a_killed_run_of_this_host_holds_nothing(tmp_path: Path) -> None:
    leave(tmp_path / "run", host=socket.gethostname(), pid=ended_process())
    claim = Claim(tmp_path / "run")
    assert json.loads((tmp_path / "run/.lock").read_text())["pid"] == os.getpid()
    claim.release()


@pytest.mark.parametrize("host", ["elsewhere", socket.gethostname()])
def test_with_locks_what_a_killed_run_left_holds_nothing(tmp_path: Path, host: str) -> None:
    leave(tmp_path / "run", host=host, pid=os.getpid())
    Claim(tmp_path / "run").release()
    assert list((tmp_path / "run").iterdir()) == []


def test_another_fault_of_the_file_system_stays_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(module.fcntl, "flock", flock)
    with pytest.raises(OSError, match="Input/output"):
        Claim(tmp_path / "run")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
def test_a_forked_loader_process_that_outlives_the_training_holds_nothing(tmp_path: Path) -> None:
    claim = Claim(tmp_path / "run")
    (read, write), (begun, begin) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.write(begin, b"1")
        os.read(read, 1)
        os._exit(0)
    os.read(begun, 1)
    for held in claim._held:
        os.close(held.descriptor)  # as the system does where the training is killed
    claim._held.clear()
    try:
        Claim(tmp_path / "run").release()
    finally:
        for end in (write, read, begun, begin):
            os.close(end)
        os.waitpid(child, 0)

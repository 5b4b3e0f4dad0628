"""One process holds a lock file: it says so, and neither its forked processes nor its end keep others from it."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from usrda_plugin import file_lock
from usrda_plugin.file_lock import FileLock, LockHeldError


def test_a_second_holder_is_refused_and_learns_who_has_it(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    with pytest.raises(LockHeldError) as refusal:
        FileLock(tmp_path / "lock")
    assert refusal.value.enforced
    assert refusal.value.owner.startswith(f" (process {os.getpid()} on {socket.gethostname()}, since ")
    lock.release()
    assert list(tmp_path.iterdir()) == []
    FileLock(tmp_path / "lock").release()


def test_without_a_folder_there_is_no_lock(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileLock(tmp_path / "missing/lock")


def test_another_fault_of_the_file_system_stays_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(file_lock.fcntl, "flock", flock)
    with pytest.raises(OSError, match="Input/output"):
        FileLock(tmp_path / "lock")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that fork")
def test_a_forked_loader_process_that_outlives_the_holder_holds_nothing(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    (read, write), (begun, begin) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.write(begin, b"1")
        os.read(read, 1)
        os._exit(0)
    os.read(begun, 1)
    os.close(lock.descriptor)  # as the system does where the holder is killed
    file_lock._DESCRIPTORS.clear()
    try:
        FileLock(tmp_path / "lock").release()
    finally:
        for end in (write, read, begun, begin):
            os.close(end)
        os.waitpid(child, 0)

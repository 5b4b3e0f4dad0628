"""One training a folder: a second one is refused before it touches anything."""

from __future__ import annotations

import errno
import json
import os
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
TAKEN = (errno.EAGAIN, errno.EACCES)
# what file systems without locks answer, some network ones among them
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)


class Claim:
    """The right to write into experiments/NAME; given back at the end, and by the system if the process dies.

    Each lock file says who holds it. Where the file system has no locks, that is all there is to go by: a process of
    this host that has ended holds nothing, of another host only the user can tell.

    Args:
        folder: the run's folder, which need not exist yet.

    Raises:
        ValueError: another process has it, or may have it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: list[_Held] = []
        self._made_parent = not folder.parent.exists()
        folder.parent.mkdir(parents=True, exist_ok=True)
        # until the folder is settled nobody else may make it
        self._hold(folder.parent / f".{folder.name}{LOCK}")
        if folder.is_dir():
            try:
                self._hold(folder / LOCK)
            except BaseException:
                self.release()
                raise

    def let_move(self) -> None:
        """Leave the folder itself, so that it can be moved aside; nobody else may begin there yet."""
        while len(self._held) > 1:
            self._held.pop().give_back()

    def settle(self) -> None:
        """Take the folder that now stands there."""
        self.let_move()
        self._hold(self.folder / LOCK)
        self._held.pop(0).give_back()

    def release(self) -> None:
        """Give everything back, and leave no empty folder where there was none."""
        while self._held:
            self._held.pop().give_back()
        if self._made_parent:
            with suppress(OSError):  # it is not empty
                self.folder.parent.rmdir()

    def _hold(self, file: Path) -> None:
        while (held := self._try(file)) is None:
            pass
        self._held.append(held)

    def _try(self, file: Path) -> _Held | None:
        """Take a lock file; None where it has just been given back by another. Raises ValueError where it is held."""
        held, made = _open(file)
        try:
            locked = _lock(held.descriptor)
            owner = _read_owner(file)
            if locked is False:
                raise ValueError(
                    f"{self.folder}: another training is running in this folder{_spelt(owner)}; wait for its end, stop"
                    " it, or give this one another name (name: in the option file)"
                )
            if locked is None and not made and not _has_ended(owner):
                raise ValueError(
                    f"{self.folder}: by {file} another training is running in this folder{_spelt(owner)}. This file"
                    " system has no locks, so it cannot be seen from here whether it still runs: if it does not,"
                    " delete that file; else wait for its end, or give this one another name (name: in the option"
                    " file)"
                )
            if locked is None and not made:
                held.give_back()
                return None
            if not held.is_there():
                os.close(held.descriptor)
                return None
            held.sign()
            held.keep_to_itself()
        except BaseException:
            with suppress(OSError):
                os.close(held.descriptor)
            raise
        return held


class _Held(NamedTuple):
    """A lock file, open."""

    file: Path
    descriptor: int

    def is_there(self) -> bool:
        """Whether the name still means this file: who held it may have removed it in between."""
        with suppress(OSError):
            return os.path.samestat(os.fstat(self.descriptor), self.file.stat())
        return False

    def sign(self) -> None:
        """Write down who holds it."""
        now = datetime.now().astimezone().isoformat(" ", "seconds")
        owner = {"host": socket.gethostname(), "pid": os.getpid(), "since": now}
        with suppress(OSError):  # a full disk: the training will tell
            os.ftruncate(self.descriptor, 0)
            os.write(self.descriptor, json.dumps(owner).encode())

    def keep_to_itself(self) -> None:
        """Let no process that is forked from here hold it too, which may outlive this one."""
        _DESCRIPTORS.add(self.descriptor)

    def give_back(self) -> None:
        _DESCRIPTORS.discard(self.descriptor)
        # removed while held, so that who waits on the old file finds no one else there
        with suppress(OSError):
            self.file.unlink(missing_ok=True)
        os.close(self.descriptor)


_DESCRIPTORS: set[int] = set()


def _close_in_child() -> None:
    for descriptor in _DESCRIPTORS:
        with suppress(OSError):
            os.close(descriptor)
    _DESCRIPTORS.clear()


if hasattr(os, "register_at_fork"):  # not every system forks
    os.register_at_fork(after_in_child=_close_in_child)


def _open(file: Path) -> tuple[_Held, bool]:
    """The file, and whether it was not there before."""
    while True:
        with suppress(FileExistsError):
            return _Held(file, os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)), True
        with suppress(FileNotFoundError):
            return _Held(file, os.open(file, os.O_RDWR)), False


def _lock(descriptor: int) -> bool | None:
    """Whether the lock was free and now is ours; None where there are no locks."""
    if fcntl is None:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in TAKEN:
            return False
        if error.errno in NO_LOCKS:
            return None
        raise
    return True


def _read_owner(file: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        owner = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(owner, dict):
            return owner
    return {}


def _spelt(owner: dict[str, Any]) -> str:
    return f" (process {owner['pid']} on {owner['host']}, since {owner['since']})" if len(owner) == 3 else ""


def _has_ended(owner: dict[str, Any]) -> bool:
    """Whether the owner is known to run no more: a process of this host that is not there."""
    pid = owner.get("pid")
    if owner.get("host") != socket.gethostname() or not isinstance(pid, int) or os.name == "nt":
        return False
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False

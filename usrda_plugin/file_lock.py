"""A lock file held by one process: it says who holds it, and no process that is forked from there holds it too."""

from __future__ import annotations

import errno
import json
import os
import socket
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

# what file systems without locks answer, some network ones among them
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL)


class LockHeldError(OSError):
    """Another process holds the lock file, or may hold it.

    ``enforced`` says whether that is certain: without locks there is only what the file says. ``owner`` is the process
    with its host and start, for a message, such as `` (process 7 on host, since ...)``; "" where it is not known.
    """

    def __init__(self, file: Path, *, enforced: bool) -> None:
        super().__init__(f"{file}: held by another process")
        self.file, self.enforced = file, enforced
        owner = _read_owner(file)
        self.owner = f" (process {owner['pid']} on {owner['host']}, since {owner['since']})" if len(owner) == 3 else ""


class FileLock:
    """A lock file that this process holds until ``release``, or until it ends, however it ends.

    Where the file system has no locks (``enforced`` is false), the file is all there is to go by: a process of this
    host that has ended holds nothing; whether one of another host still runs, only the user can tell.

    Args:
        file: the lock file, which need not exist; its folder must.

    Raises:
        LockHeldError: another process has it, or may have it.
        OSError: the file cannot be made, opened or locked.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        while not self._acquire():
            pass

    def release(self) -> None:
        """Remove the file and give the lock back."""
        _DESCRIPTORS.discard(self.descriptor)
        # removed while held, so that who waits on the old file finds no one else there
        with suppress(OSError):
            self.file.unlink(missing_ok=True)
        os.close(self.descriptor)

    def _acquire(self) -> bool:
        """Take the lock; False where its holder has just given it back, and removed the file that was opened."""
        self.descriptor, made = _open(self.file)
        acquired = False
        try:
            acquired = self._lock(made=made) and self._is_there()
            if acquired:
                self._write_owner()
                _DESCRIPTORS.add(self.descriptor)
        finally:
            if not acquired:
                os.close(self.descriptor)
        return acquired

    def _lock(self, *, made: bool) -> bool:
        """Lock the open file; False where it was left by a process that has ended, and is removed now."""
        try:
            self.enforced = _flock(self.descriptor)
        except (BlockingIOError, PermissionError):
            raise LockHeldError(self.file, enforced=True) from None
        if self.enforced or made:
            return True
        if not _has_ended(_read_owner(self.file)):
            raise LockHeldError(self.file, enforced=False)
        self.file.unlink(missing_ok=True)
        return False

    def _is_there(self) -> bool:
        """Whether the name still means this file: who held it may have removed it in between."""
        with suppress(OSError):
            return os.path.samestat(os.fstat(self.descriptor), self.file.stat())
        return False

    def _write_owner(self) -> None:
        now = datetime.now().astimezone().isoformat(" ", "seconds")
        owner = {"host": socket.gethostname(), "pid": os.getpid(), "since": now}
        with suppress(OSError):  # a full disk: the holder will meet it
            os.ftruncate(self.descriptor, 0)
            os.write(self.descriptor, json.dumps(owner).encode())


# of all locks that this process holds: a forked process, which may outlive this one, must not hold them too
_DESCRIPTORS: set[int] = set()


def _close_in_child() -> None:
    for descriptor in _DESCRIPTORS:
        with suppress(OSError):
            os.close(descriptor)
    _DESCRIPTORS.clear()


if hasattr(os, "register_at_fork"):  # not every system forks
    os.register_at_fork(after_in_child=_close_in_child)


def _open(file: Path) -> tuple[int, bool]:
    """Open the file; gives its descriptor, and whether it was not there before."""
    while True:
        with suppress(FileExistsError):
            return os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666), True
        with suppress(FileNotFoundError):
            return os.open(file, os.O_RDWR), False


def _flock(descriptor: int) -> bool:
    """Lock an open file; False where there are no locks. Raises BlockingIOError or PermissionError where it is held."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True


def _read_owner(file: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        owner = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(owner, dict):
            return owner
    return {}


def _has_ended(owner: dict[str, Any]) -> bool:
    """Whether the owner is known to run no more: a process of this host that is not there."""
    pid = owner.get("pid")
    if owner.get("host") != socket.gethostname() or not isinstance(pid, int) or os.name == "nt" or pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False

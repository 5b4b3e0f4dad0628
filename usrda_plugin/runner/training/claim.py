"""One training a folder: a second one is refused before it touches anything."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, Timeout

LOCK = ".lock"


class Claim:
    """The right to write into experiments/NAME; given back at the end, and by the system if the process dies.

    Args:
        folder: the run's folder, which need not exist yet.

    Raises:
        ValueError: another process has it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: list[BaseFileLock] = []
        self._made_parent = not folder.parent.exists()
        folder.parent.mkdir(parents=True, exist_ok=True)
        # until the folder is settled nobody else may make it
        self._hold(folder.parent / f".{folder.name}{LOCK}")
        if folder.is_dir():
            try:
                self._hold(folder / LOCK)
            except ValueError:
                self.release()
                raise

    def let_move(self) -> None:
        """Leave the folder itself, so that it can be moved aside; nobody else may begin there yet."""
        while len(self._held) > 1:
            self._give_back(self._held.pop())

    def settle(self) -> None:
        """Take the folder that now stands there."""
        self.let_move()
        self._hold(self.folder / LOCK)
        self._give_back(self._held.pop(0))

    def release(self) -> None:
        """Give everything back, and leave no empty folder where there was none."""
        while self._held:
            self._give_back(self._held.pop())
        if self._made_parent:
            with suppress(OSError):  # it is not empty
                self.folder.parent.rmdir()

    def _hold(self, file: Path) -> None:
        lock = FileLock(file)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            raise ValueError(
                f"{self.folder}: another training is running in this folder; wait for its end, stop it, or give this"
                " one another name (name: in the option file)"
            ) from None
        self._held.append(lock)

    @staticmethod
    def _give_back(lock: BaseFileLock) -> None:
        # removed while held, so that who waits on the old file finds no one else there
        with suppress(OSError):
            Path(lock.lock_file).unlink(missing_ok=True)
        lock.release()

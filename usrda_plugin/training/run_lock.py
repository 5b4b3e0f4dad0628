"""One training a folder: a second one is refused before it touches anything."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from usrda_plugin.file_lock import FileLock, LockHeldError

LOCK = ".lock"


class RunLock:
    """The right to write into experiments/NAME, until ``release`` or the end of the process.

    Args:
        folder: the run's folder, which need not exist yet.

    Raises:
        ValueError: another process has it, or may have it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: list[FileLock] = []
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
            self._held.pop().release()

    def settle(self) -> None:
        """Take the folder that now stands there."""
        self.let_move()
        self._hold(self.folder / LOCK)
        self._held.pop(0).release()

    def release(self) -> None:
        """Give everything back, and leave no empty folder where there was none."""
        while self._held:
            self._held.pop().release()
        if self._made_parent:
            with suppress(OSError):  # it is not empty
                self.folder.parent.rmdir()

    def _hold(self, file: Path) -> None:
        try:
            self._held.append(FileLock(file))
        except LockHeldError as held:
            raise ValueError(self._refusal(held)) from held

    def _refusal(self, held: LockHeldError) -> str:
        running = f"another training is running in this folder{held.owner}"
        another_name = "give this one another name (name: in the option file)"
        if held.enforced:
            return f"{self.folder}: {running}; wait for its end, stop it, or {another_name}"
        return (
            f"{self.folder}: by {held.file} {running}. This file system has no locks, so it cannot be seen from here"
            f" whether it still runs: if it does not, delete that file; else wait for its end, or {another_name}"
        )

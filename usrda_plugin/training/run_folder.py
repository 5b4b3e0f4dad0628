"""The folders of a run: one training at a time writes into them, and a start that fails leaves them as they were."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from usrda_plugin.file_lock import FileLock, LockHeldError

LOCK = ".lock"
# what BasicSR writes first into a run's folders, also where it goes on with the run: its log, a copy of the options,
# which replaces the one before, and TensorBoard's file
OPTION_FILES = ("*.yml", "*.yaml")
FIRST_FILES = ("train_*.log", *OPTION_FILES, "events.out.tfevents.*")


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


class Rollback:
    """What stands, before a start, at the folders that the run is going to make, so that they can be put back so."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = list(folders)
        self._before = {folder: _identity(folder) for folder in self._folders}
        self._archives = {folder: _archives(folder) for folder in self._folders}
        self._files = {folder: _first_files(folder) for folder in self._folders}
        options = [file for folder in self._folders for file in _found(folder, OPTION_FILES)]
        self._options = {file: (file.read_bytes(), file.stat()) for file in options}
        self._parents = [folder.parent for folder in self._folders if not folder.parent.exists()]

    def undo(self) -> None:
        """Remove the folders made since, and put back what BasicSR moved aside for them.

        A folder that was there before stays; only what BasicSR writes first goes from it, and a copy of the options
        that it has replaced is as it was.
        """
        for folder in self._folders:
            if _identity(folder) == self._before[folder]:
                for file in _first_files(folder) - self._files[folder]:
                    file.unlink()
                continue
            if folder.exists():
                shutil.rmtree(folder)
            for archive in _archives(folder) - self._archives[folder]:
                archive.rename(folder)
        self._put_options_back()
        for parent in self._parents:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()

    def _put_options_back(self) -> None:
        for file, (content, status) in self._options.items():
            if file.is_file() and file.read_bytes() != content:
                file.write_bytes(content)
                os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def from_here(file: Path) -> str:
    """A path for people: from the current directory where it is below it."""
    here = Path.cwd()
    return str(file.relative_to(here)) if file.is_relative_to(here) else str(file)


def _identity(folder: Path) -> tuple[int, int] | None:
    if not folder.exists():
        return None
    status = folder.stat()
    return status.st_dev, status.st_ino


def _archives(folder: Path) -> set[Path]:
    return {path for path in folder.parent.glob("*_archived_*") if path.name.startswith(f"{folder.name}_archived_")}


def _first_files(folder: Path) -> set[Path]:
    return _found(folder, FIRST_FILES)


def _found(folder: Path, patterns: Iterable[str]) -> set[Path]:
    return {file for pattern in patterns for file in folder.glob(pattern) if file.is_file()}

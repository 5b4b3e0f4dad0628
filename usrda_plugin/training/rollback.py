"""What a run has made on disk before its training began, so that a start that fails leaves nothing behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

# what BasicSR writes first into a run's folders, also where it goes on with the run: its log, a copy of the options,
# which replaces the one before, and TensorBoard's file
OPTION_FILES = ("*.yml", "*.yaml")
FIRST_FILES = ("train_*.log", *OPTION_FILES, "events.out.tfevents.*")


class Rollback:
    """Remembers, before a run, what stands at the folders that it is going to make."""

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

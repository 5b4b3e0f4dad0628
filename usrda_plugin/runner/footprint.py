"""What a run has made on disk before its training began, so that a start that fails leaves nothing behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

# what BasicSR writes first into a run's folder, also where it goes on with the run: its log, a copy of the options
FIRST_FILES = ("train_*.log", "*.yml", "*.yaml")


class Footprint:
    """Remembers, before a run, what stands at the folders that it is going to make."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = list(folders)
        self._before = {folder: _identity(folder) for folder in self._folders}
        self._archives = {folder: _archives(folder) for folder in self._folders}
        self._files = {folder: _first_files(folder) for folder in self._folders}
        self._parents = [folder.parent for folder in self._folders if not folder.parent.exists()]

    def withdraw(self) -> None:
        """Remove the folders made since, and put back what BasicSR moved aside for them.

        A folder that was there before stays; only a log and a copied option file made since go from it.
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
        for parent in self._parents:
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()


def _identity(folder: Path) -> tuple[int, int] | None:
    if not folder.exists():
        return None
    status = folder.stat()
    return status.st_dev, status.st_ino


def _archives(folder: Path) -> set[Path]:
    return {path for path in folder.parent.glob("*_archived_*") if path.name.startswith(f"{folder.name}_archived_")}


def _first_files(folder: Path) -> set[Path]:
    return {file for pattern in FIRST_FILES for file in folder.glob(pattern) if file.is_file()}

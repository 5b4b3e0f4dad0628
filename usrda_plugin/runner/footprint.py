"""What a run has made on disk before its training began, so that a start that fails leaves nothing behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path


class Footprint:
    """Remembers, before a run, what stands at the folders that it is going to make."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = list(folders)
        self._before = {folder: _identity(folder) for folder in self._folders}
        self._archives = {folder: _archives(folder) for folder in self._folders}
        self._parents = [folder.parent for folder in self._folders if not folder.parent.exists()]

    def withdraw(self) -> None:
        """Remove the folders made since, and put back what BasicSR moved aside for them."""
        for folder in self._folders:
            if _identity(folder) == self._before[folder]:
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

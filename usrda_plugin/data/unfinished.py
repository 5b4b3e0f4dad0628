"""Folders in which an LMDB grows under another name: each locked by its process, so that the next tells the dead."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from usrda_plugin.file_lock import FileLock, LockHeldError

LOCK = "lock"


class Left(NamedTuple):
    """Folders that runs which were killed have left: those removed, and those of which that cannot be known."""

    removed: list[Path]
    unknown: list[Path]


@contextmanager
def unfinished_folder(target: Path) -> Iterator[Path]:
    """Give a new hidden folder beside ``target``, which goes at the end, or in a later run if this one is killed."""
    with TemporaryDirectory(prefix=_prefix(target), dir=target.parent) as name, ExitStack() as held:
        with suppress(OSError):  # what fails here is met again where the LMDB is written
            held.callback(FileLock(Path(name, LOCK)).release)
        yield Path(name)


def clear_unfinished(target: Path) -> Left:
    """Remove the hidden folders that killed runs have left beside ``target``; those of living ones stay."""
    left = Left([], [])
    for folder in sorted(target.parent.glob(".*")) if target.parent.is_dir() else ():
        if not folder.name.startswith(_prefix(target)) or not _is_ours(folder, target):
            continue
        try:
            lock = FileLock(folder / LOCK)
        except OSError as error:
            if not (isinstance(error, LockHeldError) and error.enforced):  # that one is at work
                left.unknown.append(folder)
            continue
        if lock.enforced:
            _remove(folder, lock)
            left.removed.append(folder)
        else:
            lock.release()
            left.unknown.append(folder)
    return left


def _remove(folder: Path, lock: FileLock) -> None:
    for entry in folder.iterdir():
        if entry.name != LOCK:
            shutil.rmtree(entry)
    lock.release()  # some systems remove no file that is open
    shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path, target: Path) -> bool:
    """Whether nothing lies in a folder but what a run for ``target`` puts there."""
    return folder.is_dir() and not folder.is_symlink() and {e.name for e in folder.iterdir()} <= {LOCK, target.name}


def _prefix(target: Path) -> str:
    return f".{target.stem}-unfinished-"

"""Files that training writes: whole under their name, or not there; several of them all at once, or none."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO

import torch

UNFINISHED = ".{}.unfinished"
"""The name that a file has until it is whole; what a killed process leaves under such a name is nobody's."""

_together: ContextVar[list[Path] | None] = ContextVar("_together", default=None)


FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""What a disk answers that takes no more."""


class SaveError(OSError):
    """A file of a run could not be written; the ones before are whole."""


def write(content: Mapping[str, Any], file: Path) -> None:
    """Write a file of tensors, numbers and text by ``torch.save``; until it is whole it has another name.

    Within ``together`` it takes its name with the others. Raises SaveError.
    """
    _write(file, lambda handle: torch.save(dict(content), handle))


def write_text(file: Path, text: str) -> None:
    """As ``write``, a text file."""
    write_bytes(file, text.encode())


def write_bytes(file: Path, content: bytes) -> None:
    """As ``write``, any content."""
    _write(file, lambda handle: handle.write(content))


def write_copy(original: Path, file: Path) -> None:
    """As ``write``, the bytes of another file."""
    with original.open("rb") as content:
        _write(file, lambda handle: shutil.copyfileobj(content, handle))


def _write(file: Path, fill: Callable[[BinaryIO], object]) -> None:
    unfinished = file.with_name(UNFINISHED.format(file.name))
    try:
        with unfinished.open("wb") as handle:
            fill(handle)
            handle.flush()
            os.fsync(handle.fileno())
        others = _together.get()
        if others is None:
            unfinished.replace(file)
            settle(file.parent)
        else:
            others.append(file)
    except (OSError, RuntimeError) as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        # torch's own words for a full disk, "unexpected pos", have the system's behind them
        reason = error.__context__ if isinstance(error.__context__, OSError) else error
        raise SaveError(f"{file}: cannot be written ({reason})") from error


@contextmanager
def together() -> Iterator[list[Path]]:
    """While open, files are written under other names; at the end all get their own, in order, after an error none.

    Gives the list of the files, which grows. Raises SaveError.
    """
    files: list[Path] = []
    token = _together.set(files)
    try:
        yield files
        try:
            for file in files:
                file.with_name(UNFINISHED.format(file.name)).replace(file)
            for folder in {file.parent for file in files}:
                settle(folder)
        except OSError as error:
            raise SaveError(f"{file}: cannot be given its name ({error})") from error
    finally:
        _together.reset(token)
        for file in files:
            with suppress(OSError):
                file.with_name(UNFINISHED.format(file.name)).unlink(missing_ok=True)


def clear_unfinished(folder: Path) -> None:
    """Remove what killed processes have left half written in a folder."""
    for file in folder.glob(UNFINISHED.format("*")):
        file.unlink(missing_ok=True)


def settle(folder: Path) -> None:
    """Have a folder's names on the disk, where the system knows such a thing."""
    if os.name == "nt":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems refuse it
            os.fsync(number)
    finally:
        os.close(number)

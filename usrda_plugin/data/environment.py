"""Open LMDB environments, one per path and process."""

from __future__ import annotations

import os
from pathlib import Path

import lmdb

from usrda_plugin.data.lmdb_tree import read_meta

_OPEN: dict[str, tuple[tuple[int, ...], lmdb.Environment]] = {}


def lmdb_environment(path: str | Path) -> lmdb.Environment:
    """Return the read-only environment of ``path``, which all data sets of this process share.

    LMDB refuses to open a path twice in a process, and a forked worker must not use its parent's handle.
    Raises FileNotFoundError where there is no LMDB, ValueError where it is cut off, damaged, of another version, or
    open in this process by other means.
    """
    key = os.path.realpath(path)
    owner = (os.getpid(), *_identity(key))
    known_owner, environment = _OPEN.get(key, (None, None))
    if environment is not None and known_owner == owner:
        return environment
    if environment is not None:  # of files since replaced, or this process's copy of its parent's handle
        del _OPEN[key]
        environment.close()
    environment = _open(key)
    _OPEN[key] = owner, environment
    return environment


def _identity(path: str) -> tuple[int, int]:
    data = Path(path, "data.mdb")
    if not data.is_file():
        raise FileNotFoundError(f"no LMDB at {path}: data.mdb is missing")
    status = data.stat()
    return status.st_ino, status.st_size


def _open(path: str) -> lmdb.Environment:
    try:
        read_meta(Path(path, "data.mdb"))
    except ValueError as error:
        raise ValueError(f"the LMDB {path} cannot be used: {error}; copy or make it again") from None
    try:
        # without lock, so that a read-only disk will do and nobody else is kept waiting
        return lmdb.open(path, readonly=True, lock=False, readahead=False, meminit=False)
    except lmdb.Error as error:
        remedy = "close it there" if "already open" in str(error) else "copy or make it again"
        raise ValueError(f"cannot open the LMDB {path}: {error}; {remedy}") from error

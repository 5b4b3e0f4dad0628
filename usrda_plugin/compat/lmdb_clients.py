"""Seam for BasicSR's LMDB client."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from usrda_plugin.compat.record import replace


class MissingKeyError(KeyError):
    """An LMDB has no image of this key."""

    def __str__(self) -> str:
        return str(self.args[0])


def share_lmdb_environments() -> bool:
    """One environment per LMDB and process for all clients; clients can be pickled; a missing key is an error."""
    backend = import_module("basicsr.utils.file_client").LmdbBackend
    replace(backend, "__init__", lambda original: _init)
    return replace(backend, "get", lambda original: _get)


def _environment(path: str) -> Any:
    # shared with our own datasets, since LMDB refuses to open a path twice in one process
    return import_module("usrda_plugin.data.backends").lmdb_environment(path)


def _init(self: Any, db_paths: str | list[str], client_keys: str | list[str] = "default", **settings: Any) -> None:
    """``settings``, those of ``lmdb.open``, are not used: the shared environment is read-only, without lock."""
    self.db_paths = [str(path) for path in (db_paths if isinstance(db_paths, list) else [db_paths])]
    keys = client_keys if isinstance(client_keys, list) else [client_keys]
    if len(keys) != len(self.db_paths):
        raise ValueError(f"expected one client key for each LMDB, found the keys {keys} for {self.db_paths}")
    # paths, not environments: an environment can be neither pickled nor carried over a fork
    self._client = {key: os.path.realpath(path) for key, path in zip(keys, self.db_paths, strict=True)}
    for path in self._client.values():
        _environment(path)


def _get(self: Any, filepath: str, client_key: str) -> bytes:
    if client_key not in self._client:
        raise ValueError(f"expected a client key out of {sorted(self._client)}, found {client_key!r}")
    path = self._client[client_key]
    with _environment(path).begin(write=False) as transaction:
        content: bytes | None = transaction.get(str(filepath).encode("utf-8"))
    if content is None:
        raise MissingKeyError(
            f"{path} has no image of the key {str(filepath)!r}: its meta_info.txt and its data do not belong together,"
            " or the other LMDB of the pair has other keys; make the LMDB again"
        )
    return content

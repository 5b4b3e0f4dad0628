"""Patches for how BasicSR's data sets read images, from folders and from LMDB: as ours do, naming what is wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
from basicsr.utils import img_util, misc
from basicsr.utils.file_client import FileClient, LmdbBackend

from usrda_plugin.data import lmdb_environment
from usrda_plugin.data.pictures import as_8_bit, decode_colour, decode_picture
from usrda_plugin.patch import mentions, patch, replace, replace_everywhere


@patch("scandir_order", "files come in the order of os.scandir, another on each machine")
def scan_folders_in_order() -> bool:
    """List a folder's files in alphabetical order."""
    return not mentions(misc.scandir, "sorted") and replace_everywhere(misc, "scandir", _sorted_scandir)


def _sorted_scandir(original: Callable[..., Iterator[str]]) -> Callable[..., Iterator[str]]:
    def scandir(*args: Any, **kwargs: Any) -> Iterator[str]:
        return iter(sorted(original(*args, **kwargs)))

    return scandir


class NamedBytes(bytes):
    """The bytes of a file, with the path or LMDB key that they were read from."""

    source: str = "image"


@patch(
    "undecodable_images",
    "an image that cannot be decoded gives 'NoneType' object has no attribute 'astype', one cut off a gray rest; "
    "a TIFF's colours are multiplied by its alpha or its white is black",
)
def read_images_as_ours() -> bool:
    """Decode as our data sets do, and name the file where BasicSR goes on with ``None`` or other levels."""
    replace(FileClient, "get", _with_source)
    return replace_everywhere(img_util, "imfrombytes", lambda original: _imfrombytes)


def _with_source(original: Callable[..., Any]) -> Callable[..., Any]:
    def get(self: Any, filepath: str, client_key: str = "default") -> Any:
        content = original(self, filepath, client_key)
        if not isinstance(content, bytes):
            return content
        named = NamedBytes(content)
        named.source = str(filepath)
        return named

    return get


def _imfrombytes(content: bytes, flag: str = "color", float32: bool = False) -> np.ndarray:
    levels = _DECODERS[flag](content, getattr(content, "source", NamedBytes.source))
    # as BasicSR divides, whose arithmetic is kept to the last bit
    return levels.astype(np.float32) / np.iinfo(levels.dtype).max if float32 else levels


def _colour(content: bytes, source: str) -> np.ndarray:
    """8 bits, BGR, alpha dropped."""
    return as_8_bit(decode_colour(content, source, cv2.IMREAD_COLOR_BGR))


def _gray(content: bytes, source: str) -> np.ndarray:
    """8 bits of gray."""
    return cv2.cvtColor(_colour(content, source), cv2.COLOR_BGR2GRAY)


def _unchanged(content: bytes, source: str) -> np.ndarray:
    """As many bits and channels as there are: gray, BGR or BGRA."""
    picture = decode_picture(content, source)
    colour: np.ndarray = picture.colour
    if picture.alpha is None:
        return colour if colour.ndim == 2 else cv2.cvtColor(colour, cv2.COLOR_RGB2BGR)
    colour = colour if colour.ndim == 3 else np.dstack([colour] * 3)
    return np.dstack([colour[..., ::-1], picture.alpha])


_DECODERS: dict[str, Callable[[bytes, str], np.ndarray]] = {
    "color": _colour,
    "grayscale": _gray,
    "unchanged": _unchanged,
}


class MissingKeyError(KeyError):
    """An LMDB has no image of this key."""

    def __str__(self) -> str:
        return str(self.args[0])


@patch(
    "lmdb_clients",
    "two clients on one LMDB: already open in this process; a client cannot be pickled; a missing key gives None",
)
def share_lmdb_environments() -> bool:
    """One environment per LMDB and process for all clients; clients can be pickled; a missing key is an error."""
    replace(LmdbBackend, "__init__", lambda original: _init_lmdb)
    return replace(LmdbBackend, "get", lambda original: _get_from_lmdb)


def _init_lmdb(self: Any, db_paths: str | list[str], client_keys: str | list[str] = "default", **settings: Any) -> None:
    """``settings``, those of ``lmdb.open``, are not used: the shared environment is read-only, without lock."""
    self.db_paths = [str(path) for path in (db_paths if isinstance(db_paths, list) else [db_paths])]
    keys = client_keys if isinstance(client_keys, list) else [client_keys]
    if len(keys) != len(self.db_paths):
        raise ValueError(f"expected one client key for each LMDB, found the keys {keys} for {self.db_paths}")
    # paths, not environments: an environment can be neither pickled nor carried over a fork
    self._client = {key: os.path.realpath(path) for key, path in zip(keys, self.db_paths, strict=True)}
    for path in self._client.values():
        lmdb_environment(path)


def _get_from_lmdb(self: Any, filepath: str, client_key: str) -> bytes:
    if client_key not in self._client:
        raise ValueError(f"expected a client key out of {sorted(self._client)}, found {client_key!r}")
    path = self._client[client_key]
    # shared with our own data sets, since LMDB refuses to open a path twice in one process
    with lmdb_environment(path).begin(write=False) as transaction:
        content: bytes | None = transaction.get(str(filepath).encode("utf-8"))
    if content is None:
        raise MissingKeyError(
            f"{path} has no image of the key {str(filepath)!r}: its meta_info.txt and its data do not belong together,"
            " or the other LMDB of the pair has other keys; make the LMDB again"
        )
    return content

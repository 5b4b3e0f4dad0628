"""Patches of how images are read from folders and LMDB."""

from __future__ import annotations

import os
import pickle
import warnings
from pathlib import Path
from typing import Any

import lmdb
import pytest
from basicsr.data.data_util import paired_paths_from_folder
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.utils.file_client import FileClient, LmdbBackend
from basicsr.utils.img_util import imfrombytes
from basicsr.utils.misc import scandir

from usrda_plugin.data import lmdb_environment


@pytest.fixture
def lmdb_path(tmp_path: Path) -> Path:
    path = tmp_path / "images.lmdb"
    with lmdb.open(str(path)) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"a", b"content")
    (path / "meta_info.txt").write_text("a.png (1,1,3) 1\n")
    return path


def test_folders_are_listed_in_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # a directory hands its entries out in any order it likes
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name, reverse=True)
    monkeypatch.setattr(os, "scandir", lambda path: iter(entries))
    assert list(scandir.__wrapped__(str(folder))) == ["c.png", "b.png", "a.png"]
    assert list(scandir(str(folder))) == ["a.png", "b.png", "c.png"]
    pairs = paired_paths_from_folder([str(folder)] * 2, ["lq", "gt"], "{}")
    assert [Path(pair["gt_path"]).stem for pair in pairs] == ["a", "b", "c"]


def test_an_image_that_cannot_be_decoded_is_named(folder: Path, paired_options: dict[str, Any]) -> None:
    (folder / "b.png").write_bytes(b"no image")
    dataset = PairedImageDataset(paired_options)
    with pytest.raises(ValueError, match=r"b\.png: expected an image, found text"):
        dataset[1]
    with pytest.raises(AttributeError, match="NoneType"):
        imfrombytes.__wrapped__(b"no image", float32=True)


def test_two_clients_share_an_lmdb(lmdb_path: Path) -> None:
    first, second = LmdbBackend([str(lmdb_path)] * 2, ["lq", "gt"]), LmdbBackend(str(lmdb_path), "gt")
    assert first.get("a", "lq") == first.get("a", "gt") == second.get("a", "gt") == b"content"
    with pytest.raises(lmdb.Error, match="already open"):
        LmdbBackend.__init__.__wrapped__(object.__new__(LmdbBackend), str(lmdb_path))


def test_our_own_data_shares_basicsrs_environment(lmdb_path: Path) -> None:
    environment = lmdb_environment(lmdb_path)
    with environment.begin():
        assert LmdbBackend(str(lmdb_path)).get("a", "default") == b"content"


def test_an_lmdb_client_is_pickled_after_it_has_read(lmdb_path: Path) -> None:
    client = FileClient("lmdb", db_paths=str(lmdb_path))
    assert client.get("a") == b"content"
    assert pickle.loads(pickle.dumps(client)).get("a") == b"content"


def test_a_forked_worker_reads_with_an_environment_of_its_own(lmdb_path: Path) -> None:
    client = FileClient("lmdb", db_paths=str(lmdb_path))
    client.get("a")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on forking beside threads
        child = os.fork()
    if child == 0:
        os._exit(0 if client.get("a") == b"content" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert client.get("a") == b"content"


def test_a_missing_key_is_an_error_that_names_key_and_lmdb(lmdb_path: Path) -> None:
    client = LmdbBackend(str(lmdb_path))
    with pytest.raises(KeyError) as caught:
        client.get("z", "default")
    assert "images.lmdb has no image of the key 'z'" in str(caught.value)
    environment = lmdb_environment(lmdb_path)
    client._client = {"default": environment}
    assert LmdbBackend.get.__wrapped__(client, "z", "default") is None


@pytest.mark.parametrize(
    ("paths", "keys", "fault", "match"),
    [("nowhere.lmdb", "gt", FileNotFoundError, "nowhere.lmdb"), ("a.lmdb", ["lq", "gt"], ValueError, "one client key")],
)
def test_a_wrong_lmdb_client_is_refused(paths: str, keys: Any, fault: type[Exception], match: str) -> None:
    with pytest.raises(fault, match=match):
        LmdbBackend(paths, keys)


def test_an_unknown_client_key_is_refused(lmdb_path: Path) -> None:
    client = LmdbBackend(str(lmdb_path), "gt")
    with pytest.raises(ValueError, match=r"out of \['gt'\], found 'lq'"):
        client.get("a", "lq")

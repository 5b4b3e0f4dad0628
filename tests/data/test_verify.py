"""What ``usrda lmdb verify`` finds: every fault that is planted, and every bit that flips where it is read."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import cv2
import lmdb
import numpy as np
import pytest

from tests.data.broken_lmdbs import VERIFIED, write
from tests.data.planted import flipped, smooth
from usrda_plugin.choices import Encoding
from usrda_plugin.data import ImageSource, make_lmdb, verify_lmdb
from usrda_plugin.data.lmdb_tree import read_meta, tree_faults
from usrda_plugin.data.pictures import ENCODINGS

COUNT = 4


@pytest.fixture
def images(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for number in range(COUNT):
        assert cv2.imwrite(str(tmp_path / "images" / f"{number}.png"), smooth(64, 64, number))
    return tmp_path / "images"


@pytest.fixture
def made(images: Path, tmp_path: Path) -> Path:
    make_lmdb(images, tmp_path / "made.lmdb")
    return tmp_path / "made.lmdb"


@pytest.mark.parametrize("kind", VERIFIED)
def test_every_planted_fault_is_found(kind: str, made: Path) -> None:
    spoil, why = VERIFIED[kind]
    spoil(made)
    faults = verify_lmdb(made)
    assert any(re.search(why, fault) for fault in faults), faults


def test_several_faults_are_all_told(made: Path) -> None:
    for kind in ("a key missing", "a stored key that the list lacks", "a line that says nothing"):
        VERIFIED[kind][0](made)
    VERIFIED["a flipped bit among pixels"][0](made)
    faults = verify_lmdb(made)
    assert len(faults) == 4
    for word in ("'1' is not in", "'stray'", "'scribble'", "'0' has changed"):
        assert sum(word in fault for fault in faults) == 1


def test_without_checksums_all_else_is_found_as_before(made: Path) -> None:
    (made / "checksums.txt").unlink()
    VERIFIED["an entry cut off"][0](made)
    VERIFIED["a flipped bit among pixels"][0](made)  # which nobody can tell
    [fault] = verify_lmdb(made)
    assert "that is cut off" in fault


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_whichever_bit_flips_in_the_data_is_found_or_does_no_harm(
    encoding: Encoding, images: Path, tmp_path: Path
) -> None:
    make_lmdb(images, tmp_path / "made.lmdb", encoding=encoding)
    source = ImageSource.open(tmp_path / "made.lmdb")
    expected = [source.read(number) for number in range(COUNT)]
    data, rng, found = (tmp_path / "made.lmdb" / "data.mdb").read_bytes(), np.random.default_rng(0), 0
    # anywhere, and where pages say what they hold
    places = [
        *rng.integers(0, len(data), 100),
        *(rng.integers(0, len(data) // 4096, 60) * 4096 + rng.integers(0, 168, 60)),
    ]
    for number, place in enumerate(places):
        bad = tmp_path / f"bad_{number}.lmdb"
        shutil.copytree(tmp_path / "made.lmdb", bad)
        (bad / "data.mdb").write_bytes(flipped(data, int(place), number % 8))
        if verify_lmdb(bad):
            found += 1
        else:
            again = ImageSource.open(bad)
            assert len(again) == COUNT
            for index, levels in enumerate(expected):
                np.testing.assert_array_equal(again.read(index), levels)
        shutil.rmtree(bad)
    assert found > len(places) / 3


@pytest.mark.parametrize("name", ["meta_info.txt", "checksums.txt"])
def test_whichever_bit_flips_in_a_list_is_found(name: str, made: Path) -> None:
    whole = (made / name).read_bytes()
    for place in range(0, len(whole), 2):
        (made / name).write_bytes(flipped(whole, place, place % 8))
        assert verify_lmdb(made) != [], place


def test_a_tree_that_leads_lmdb_astray_is_told_before_lmdb_sees_it(made: Path) -> None:
    assert tree_faults(made / "data.mdb") == []
    VERIFIED["a damaged tree"][0](made)
    assert len(tree_faults(made / "data.mdb")) == 1


@pytest.mark.parametrize("count", [1, 300, 3000])
def test_the_pages_of_small_and_large_trees_are_understood(count: int, tmp_path: Path) -> None:
    """Branches upon branches, values in their page and on pages of their own, and pages that are free again."""
    rng = np.random.default_rng(0)
    with lmdb.open(str(tmp_path / "any.lmdb"), map_size=2**26) as environment:
        for start in (0, 1):
            with environment.begin(write=True) as transaction:
                for number in range(start, count, 2):
                    transaction.put(f"{number:04d}_{'x' * (number % 90)}".encode(), bytes(int(rng.integers(1, 4000))))
        with environment.begin(write=True) as transaction:
            for key in [key for key, _ in transaction.cursor()][::7]:
                transaction.delete(key)
        left, last_page = environment.stat()["entries"], environment.info()["last_pgno"]
    meta = read_meta(tmp_path / "any.lmdb" / "data.mdb")
    assert (meta.entries, meta.last_page) == (left, last_page)
    assert tree_faults(tmp_path / "any.lmdb" / "data.mdb") == []
    for place in (0, 10, 12) if left else ():
        spoiled = write("data.mdb", lambda whole, at=meta.root * 4096 + place: flipped(whole, at, 5))
        spoiled(tmp_path / "any.lmdb")
        assert tree_faults(tmp_path / "any.lmdb" / "data.mdb") != []
        spoiled(tmp_path / "any.lmdb")

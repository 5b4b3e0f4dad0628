"""Damaged images and LMDBs are found before the start in whichever root they lie; unusual ones pass."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.data.broken_lmdbs import REFUSED
from tests.data.planted import DAMAGED, UNUSUAL, saved, smooth
from usrda_plugin.data import make_lmdb
from usrda_plugin.options.image_sources import HEADERS
from usrda_plugin.options.images import check_images
from usrda_plugin.options.validation import Source, Validation

Options = dict[str, Any]
ROOTS = [("train", "dataroot_gt"), ("train", "dataroot_lq"), ("train", "dataroot_target")]
ROOTS += [("val_1", "dataroot_gt"), ("val_1", "dataroot_lq")]
FOLDERS = {"dataroot_gt": "hr", "dataroot_lq": "lr", "dataroot_target": "target"}


@pytest.fixture
def data_sets(unpaired: Options, pictures: Path, tmp_path: Path) -> Options:
    """Given source pairs with a target domain, and validation pairs, each in folders of its own."""
    opt = deepcopy(unpaired)
    for phase, keys in (("train", FOLDERS), ("val_1", ("dataroot_gt", "dataroot_lq"))):
        for key in keys:
            root = shutil.copytree(pictures / FOLDERS[key], tmp_path / phase / FOLDERS[key])
            opt["datasets"][phase][key] = str(root)
    return opt


def told(opt: Options) -> dict[str, str]:
    """What the checks of images say, by the key of the option."""
    validation = Validation(opt, True, (Source("options.yml", opt),))
    check_images(validation)
    found: dict[str, str] = {}
    for fault in validation.errors:
        found[fault.key] = f"{found.get(fault.key, '')}{fault.message}; {fault.remedy} | "
    return found


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_image_is_named_in_whichever_root_it_lies(kind: str, data_sets: Options) -> None:
    content, why = DAMAGED[kind]
    for phase, key in ROOTS:
        file = Path(data_sets["datasets"][phase][key]) / "1.png"
        whole = file.read_bytes()
        file.write_bytes(content)
        message = told(data_sets)[f"datasets.{phase}.{key}"]
        assert "1 files in " in message
        assert re.search(rf"1\.png: .*{why}", message)
        assert "mend or remove" in message
        file.write_bytes(whole)
    assert told(data_sets) == {}


@pytest.mark.parametrize("root", ROOTS[:3], ids=".".join)
def test_an_image_of_one_pixel_is_named_where_patches_are_cut(root: tuple[str, str], data_sets: Options) -> None:
    phase, key = root
    (Path(data_sets["datasets"][phase][key]) / "1.png").write_bytes(saved(Image.new("RGB", (1, 1)), "PNG"))
    assert "1.png is 1x1" in told(data_sets)[f"datasets.{phase}.{key}"]


@pytest.mark.parametrize("target", ["1.png", "nowhere.png"])
def test_a_link_that_leads_nowhere_is_named(target: str, data_sets: Options) -> None:
    for phase, key in ROOTS:
        folder = Path(data_sets["datasets"][phase][key])
        (folder / "1.png").unlink()
        (folder / "1.png").symlink_to(target)
        (folder / "around").symlink_to(".")
    messages = told(data_sets)
    for phase, key in ROOTS:
        why = r"1\.png: (Too many levels of symbolic links|No such file or directory)"
        assert re.search(why, messages[f"datasets.{phase}.{key}"])


@pytest.mark.parametrize("kind", UNUSUAL)
def test_unusual_images_pass_in_every_root(kind: str, data_sets: Options) -> None:
    for phase, key in ROOTS:
        side = 64 if key == "dataroot_gt" else 16
        (Path(data_sets["datasets"][phase][key]) / "1.png").write_bytes(UNUSUAL[kind][0](smooth(side, side))[0])
    assert told(data_sets) == {}


def test_names_of_all_kinds_pass_and_are_told_on_one_line(data_sets: Options) -> None:
    folder = Path(data_sets["datasets"]["train"]["dataroot_target"])
    for name in ("two\nlines.png", "naïve 名前.png", "-rf.png", "b\udcff.png"):
        shutil.copy(folder / "0.png", folder / name)
    assert told(data_sets) == {}
    (folder / "two\nlines.png").write_bytes(b"")
    message = told(data_sets)["datasets.train.dataroot_target"]
    assert "two\\nlines.png" in message
    assert "\n" not in message


@pytest.fixture
def with_lmdb(data_sets: Options, tmp_path: Path) -> Callable[[str, str], Path]:
    """Put an LMDB of its images into a root's place."""

    def with_lmdb(phase: str, key: str) -> Path:
        dataset = data_sets["datasets"][phase]
        lmdb_path = tmp_path / phase / f"{FOLDERS[key]}.lmdb"
        make_lmdb(dataset[key], lmdb_path)
        dataset[key] = str(lmdb_path)
        return lmdb_path

    return with_lmdb


@pytest.mark.parametrize("kind", REFUSED)
def test_a_damaged_lmdb_is_told_with_its_damage(
    kind: str, data_sets: Options, with_lmdb: Callable[[str, str], Path]
) -> None:
    spoil, why = REFUSED[kind]
    spoil(with_lmdb("train", "dataroot_gt"))
    [(place, message)] = told(data_sets).items()
    assert place == "datasets.train.dataroot_gt"
    assert re.search(why, message)


def test_all_roots_may_be_lmdbs_and_are_looked_at_alike(
    data_sets: Options, with_lmdb: Callable[[str, str], Path]
) -> None:
    paths = {root: with_lmdb(*root) for root in ROOTS}
    data_sets["datasets"]["val_1"]["io_backend"] = {"type": "lmdb"}
    assert told(data_sets) == {}
    for path in paths.values():
        REFUSED["a key in the list that is not stored"][0](path)
    messages = told(data_sets)
    for phase, key in ROOTS:
        assert "images of its list are not stored: ghost" in messages[f"datasets.{phase}.{key}"]


def test_a_set_of_usual_size_is_looked_at_completely(data_sets: Options) -> None:
    folder = Path(data_sets["datasets"]["train"]["dataroot_target"])
    for number in range(600):
        (folder / f"more_{number}.png").hardlink_to(folder / "0.png")
    (folder / "more_300.png").unlink()
    (folder / "more_300.png").write_bytes(b"")
    assert HEADERS > 600
    assert "1 files" in told(data_sets)["datasets.train.dataroot_target"]

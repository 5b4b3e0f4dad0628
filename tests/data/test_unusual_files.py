"""Unusual image files are read as what they show, from a folder and from an LMDB alike; damaged ones are named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import lmdb
import numpy as np
import pytest
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.utils import imfrombytes
from PIL import Image

from tests.data.planted import DAMAGED, UNUSUAL, flipped, promised, saved, smooth
from usrda_plugin.choices import Encoding
from usrda_plugin.data import ImageSource, USRDADataset, USRDASourceDataset, make_lmdb
from usrda_plugin.data.pictures import ENCODINGS, as_unit, decode_colour

HIGH, WIDE = 32, 48


def plant(folder: Path, content: bytes, name: str = "image.png") -> Path:
    """Write a file into a folder, which is made."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    return folder


def assert_near(found: np.ndarray, expected: np.ndarray, tolerance: int) -> None:
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    assert np.abs(found.astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize("kind", UNUSUAL)
def test_an_unusual_image_is_read_as_it_looks_from_a_folder_and_from_an_lmdb(kind: str, tmp_path: Path) -> None:
    make, tolerance = UNUSUAL[kind]
    content, expected = make(smooth(HIGH, WIDE))
    folder = plant(tmp_path / "images", content)
    source = ImageSource.open(folder)
    levels = source.read(0)
    assert_near(levels, expected, tolerance)
    assert source.size(0) == (HIGH, WIDE)
    np.testing.assert_array_equal(ImageSource.open(folder, keep_decoded=True).read(0), levels)
    for encoding in ENCODINGS:
        make_lmdb(folder, tmp_path / f"{encoding}.lmdb", encoding=encoding)
        stored = ImageSource.open(tmp_path / f"{encoding}.lmdb")
        np.testing.assert_array_equal(stored.read(0), levels)
        assert stored.size(0) == (HIGH, WIDE)
        with stored.opened(0) as seen:
            np.testing.assert_array_equal(seen, levels)


@pytest.mark.parametrize("kind", UNUSUAL)
def test_its_size_is_known_without_decoding(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ImageSource.open(plant(tmp_path / "images", UNUSUAL[kind][0](smooth(HIGH, WIDE))[0]))
    monkeypatch.setattr("usrda_plugin.data.images.decode_colour", pytest.fail)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", pytest.fail)
    assert source.size(0) == (HIGH, WIDE)


@pytest.fixture
def options(tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Make the options of a data set whose patches are whole images: HR ones of 32 x 32 pixels, LR ones of half."""

    def options(make: Callable) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
        (hr, y_s), (lr, x_s) = make(smooth(32, 32)), make(smooth(16, 16, 1))
        roots = {"dataroot_gt": plant(tmp_path / "hr", hr), "dataroot_lq": plant(tmp_path / "lr", lr)}
        opt = {"scale": 2, "gt_size": 32, "use_hflip": False, "use_rot": False}
        return {**opt, **{key: str(root) for key, root in roots.items()}}, y_s, x_s

    return options


def shown(tensor: Any) -> np.ndarray:
    """CHW in [0, 1] as HWC."""
    return np.asarray(tensor.numpy().transpose(1, 2, 0))


@pytest.mark.parametrize("kind", UNUSUAL)
def test_samples_show_it_as_source_pair_and_as_target(kind: str, options: Callable) -> None:
    make, tolerance = UNUSUAL[kind]
    opt, y_s, x_s = options(make)
    opt["dataroot_target"] = opt["dataroot_lq"]
    dataset = USRDADataset(opt)
    dataset.check_images()
    sample = dataset[0]
    for name, expected in (("y_s", y_s), ("x_s", x_s), ("x_t", x_s)):
        assert np.abs(shown(sample[name]) - as_unit(expected)).max() <= (tolerance + 0.01) / 255


@pytest.mark.parametrize("kind", UNUSUAL)
def test_basicsrs_validation_pairs_show_it_in_8_bits(kind: str, options: Callable) -> None:
    make, tolerance = UNUSUAL[kind]
    opt, y_s, x_s = options(make)
    pairs = {key: opt[key] for key in ("dataroot_gt", "dataroot_lq")}
    sample = PairedImageDataset({**pairs, "io_backend": {"type": "disk"}, "scale": 2, "phase": "val"})[0]
    # of 16 bits it takes the upper 8, and of a TIFF the nearest
    tolerance += 1 if "16 bits" in kind else 0
    for name, expected in (("gt", y_s), ("lq", x_s)):
        assert np.abs(shown(sample[name]) - as_unit(expected)).max() <= (tolerance + 0.01) / 255


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_image_is_named_and_gives_no_pixels(kind: str, tmp_path: Path) -> None:
    content, why = DAMAGED[kind]
    folder = plant(tmp_path / "images", content, "bad.png")
    source = ImageSource.open(folder)
    with pytest.raises(ValueError, match=r"bad\.png"):
        source.read(0)
    if kind != "PNG with a flipped bit":  # its header is whole
        with pytest.raises(ValueError, match=rf"bad\.png.*{why}"):
            source.size(0)
    with pytest.raises(ValueError, match=r"bad\.png"):
        make_lmdb(folder, tmp_path / "bad.lmdb")
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


@pytest.mark.parametrize("kind", DAMAGED)
def test_it_is_named_in_a_validation_pair_too(kind: str, options: Callable) -> None:
    opt, _, _ = options(UNUSUAL["alpha, PNG"][0])
    plant(Path(opt["dataroot_lq"]), DAMAGED[kind][0])
    pairs = {key: opt[key] for key in ("dataroot_gt", "dataroot_lq")}
    dataset = PairedImageDataset({**pairs, "io_backend": {"type": "disk"}, "scale": 2, "phase": "val"})
    with pytest.raises(ValueError, match=r"lr/image\.png"):
        dataset[0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_what_is_cut_off_is_told_before_any_decoder_sees_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older OpenCVs decode it with a gray rest, and only print a line."""
    whole = saved(Image.fromarray(smooth(HIGH, WIDE)), kind)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: smooth(HIGH, WIDE))
    decode_colour(whole, "here")
    imfrombytes(whole)
    for length in range(8, len(whole), 7):
        with pytest.raises(ValueError, match=r"here: .*that is cut off"):
            decode_colour(whole[:length], "here")
        with pytest.raises(ValueError, match="that is cut off"):
            imfrombytes(whole[:length])


def test_every_flipped_bit_of_a_png_is_an_error_or_does_no_harm() -> None:
    whole = saved(Image.fromarray(smooth(12, 12)), "PNG")
    expected, found = decode_colour(whole, "here"), 0
    for place in range(0, len(whole), 3):
        try:
            np.testing.assert_array_equal(decode_colour(flipped(whole, place, place % 8), "here"), expected)
        except ValueError:
            found += 1
    assert found > 0.9 * len(range(0, len(whole), 3))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM", "JPEG2000"])
def test_whatever_has_flipped_nothing_but_a_value_error_is_raised(kind: str, tmp_path: Path) -> None:
    whole, rng = saved(Image.fromarray(smooth(12, 12)), kind), np.random.default_rng(0)
    file = tmp_path / "image.png"
    source = ImageSource.open(plant(tmp_path, whole))
    for _ in range(50):
        content = bytearray(whole)
        for place in rng.integers(0, min(len(whole), 120), 3):
            content[place] = rng.integers(256)
        file.write_bytes(content)
        for look in (source.size, source.read):
            with suppress(ValueError):
                look(0)


def test_an_image_of_one_pixel_is_smaller_than_a_patch(tmp_path: Path, options: Callable) -> None:
    opt, _, _ = options(UNUSUAL["gray, PNG"][0])
    plant(tmp_path / "hr", saved(Image.new("RGB", (1, 1)), "PNG"), "dot.png")
    dataset = USRDASourceDataset({**opt, "dataroot_lq": None})
    with pytest.raises(ValueError, match=r"dot\.png is 1x1 .*smaller than a patch of 32x32"):
        dataset.check_images()


@pytest.mark.parametrize("lies_in", ["folder", "lmdb"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_very_wide_image_gives_patches_of_all_of_it(kind: str, lies_in: str, tmp_path: Path) -> None:
    columns = np.linspace(0, 255, 30_000).astype(np.uint8)
    wide = np.broadcast_to(columns[None, :, None], (40, 30_000, 3))
    root = plant(tmp_path / "wide", saved(Image.fromarray(wide.copy()), kind))
    if lies_in == "lmdb":
        make_lmdb(root, tmp_path / "wide.lmdb")
        root = tmp_path / "wide.lmdb"
    opt = {"dataroot_gt": str(root), "dataroot_target": str(root), "scale": 2, "gt_size": 32, "cache_in_memory": True}
    dataset = USRDADataset(opt)
    dataset.check_images()
    seen = [float(dataset[number]["y_s"].mean()) for number in range(40)]
    assert min(seen) < 0.2
    assert max(seen) > 0.8


def test_more_pixels_than_pillow_likes_are_no_attack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    source = ImageSource.open(plant(tmp_path / "images", UNUSUAL["alpha, TIFF"][0](smooth(HIGH, WIDE))[0]))
    assert source.size(0) == (HIGH, WIDE)
    assert Image.MAX_IMAGE_PIXELS == 100
    assert_near(source.read(0), smooth(HIGH, WIDE), 0)


def test_more_pixels_than_opencv_takes_may_be_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = ImageSource.open(plant(tmp_path / "images", promised(40_000, 30_000)))
    with pytest.raises(ValueError, match="set OPENCV_IO_MAX_IMAGE_PIXELS"):
        source.size(0)
    monkeypatch.setenv("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**31))
    assert source.size(0) == (30_000, 40_000)


NAMES = [
    "naïve 名前 🎞.png",
    "two\nlines.png",
    "-rf.png",
    "'quoted' \"twice\".png",
    "a b\tc.png",
    "$HOME;x.png",
    "b\udcff.png",
]


def test_images_of_all_sizes_and_names_are_used_and_get_keys_of_their_own(tmp_path: Path) -> None:
    for number, name in enumerate(NAMES):
        plant(tmp_path / "images", saved(Image.fromarray(smooth(32 + number, 48 - number, number)), "PNG"), name)
    source = ImageSource.open(tmp_path / "images")
    assert sorted(source.entries) == sorted(NAMES)
    assert make_lmdb(tmp_path / "images", tmp_path / "images.lmdb") == len(NAMES)
    lines = (tmp_path / "images.lmdb" / "meta_info.txt").read_bytes().split(b"\n")
    assert len(lines) == len(NAMES) + 1
    stored = ImageSource.open(tmp_path / "images.lmdb")
    for root in (source, stored):
        seen = {root.read(number).tobytes() for number in range(len(NAMES))}
        assert seen == {smooth(32 + number, 48 - number, number).tobytes() for number in range(len(NAMES))}
        opt = {"dataroot_gt": str(root.store.root), "scale": 2, "gt_size": 32}
        dataset = USRDASourceDataset(opt)
        dataset.check_images()
        assert len({dataset[number]["gt_path"] for number in range(60)}) == len(NAMES)


def test_a_list_may_name_an_image_with_wide_spaces_and_none_that_is_no_text(tmp_path: Path) -> None:
    name = "山\u3000川\u00a0.png"  # both spaces are letters to BasicSR, which ends a name at a plain one
    plant(tmp_path / "images", saved(Image.fromarray(smooth(8, 8)), "PNG"), name)
    (tmp_path / "list.txt").write_text(f"{name} (8,8,3)\n", encoding="utf-8")
    assert ImageSource.open(tmp_path / "images", tmp_path / "list.txt").entries == [name]
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\0")
    with pytest.raises(ValueError, match=r"list\.txt is damaged"):
        ImageSource.open(tmp_path / "images", tmp_path / "list.txt")


@pytest.mark.parametrize("target", ["self.png", "nowhere.png"])
def test_a_link_that_leads_nowhere_is_named(target: str, tmp_path: Path) -> None:
    plant(tmp_path / "images", saved(Image.fromarray(smooth(32, 32)), "PNG"))
    (tmp_path / "images" / "self.png").symlink_to(target)
    (tmp_path / "images" / "around").symlink_to(".")  # a folder in itself
    (tmp_path / "images" / "folder.png").symlink_to("..")
    dataset = USRDASourceDataset({"dataroot_gt": str(tmp_path / "images"), "scale": 2, "gt_size": 32})
    assert dataset.source.entries == ["image.png", "self.png"]
    with pytest.raises(ValueError, match=r"self\.png"):
        dataset.check_images()
    with pytest.raises(ValueError, match=r"self\.png"):
        make_lmdb(tmp_path / "images", tmp_path / "images.lmdb")


@pytest.fixture(params=ENCODINGS)
def two_images(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    encoding: Encoding = request.param
    for number in range(2):
        plant(tmp_path / "images", saved(Image.fromarray(smooth(40, 48, number)), "PNG"), f"{number}.png")
    make_lmdb(tmp_path / "images", tmp_path / "images.lmdb", encoding=encoding)
    return tmp_path / "images.lmdb"


WRITER = """
import lmdb, sys
with lmdb.open(sys.argv[1], map_size=2**24) as environment, environment.begin(write=True) as transaction:
    transaction.put(b"0", b"not committed")
    print("writing", flush=True)
    sys.stdin.read()
    transaction.abort()
"""


def test_an_lmdb_that_another_program_is_writing_to_shows_what_was_whole(two_images: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(two_images)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        np.testing.assert_array_equal(ImageSource.open(two_images).read(0), smooth(40, 48, 0))
        writer.communicate("")
    assert writer.returncode == 0


def test_an_lmdb_that_this_process_has_open_otherwise_is_told_so(two_images: Path) -> None:
    with lmdb.open(str(two_images), readonly=True), pytest.raises(ValueError, match=r"already open.*close it there"):
        ImageSource.open(two_images)
    np.testing.assert_array_equal(ImageSource.open(two_images).read(1), smooth(40, 48, 1))


def test_reading_an_lmdb_writes_nothing_into_its_folder(two_images: Path) -> None:
    (two_images / "lock.mdb").unlink()
    before = {path.name: path.read_bytes() for path in two_images.iterdir()}
    ImageSource.open(two_images).read(0)
    assert {path.name: path.read_bytes() for path in two_images.iterdir()} == before

from __future__ import annotations

import multiprocessing
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from usrda_plugin.data.backends import lmdb_environment
from usrda_plugin.data.images import ImageSource
from usrda_plugin.data.lmdb import make_lmdb
from usrda_plugin.data.pictures import as_8_bit, as_unit

Write = Callable[[Path, np.ndarray], Path]
Noise = Callable[..., np.ndarray]


@pytest.fixture
def noise_lmdb(noise_folder: Path, tmp_path: Path) -> Path:
    make_lmdb(noise_folder, tmp_path / "noise.lmdb")
    return tmp_path / "noise.lmdb"


def test_a_folder_lists_its_own_images_in_order_and_nothing_else(tmp_path: Path, write: Write, noise: Noise) -> None:
    for name in ("b.png", "a.JPG", "c.bmp", "below/d.png", ".hidden.png"):
        write(tmp_path / name, noise(8, 8))
    (tmp_path / "notes.txt").write_text("no image")
    source = ImageSource.open(tmp_path)
    assert source.entries == ["a.JPG", "b.png", "c.bmp"]
    assert source.path(1) == str(tmp_path / "b.png")
    beside = f"{tmp_path} (2 beside them left out: below, notes.txt)"
    assert source.describe("target") == f"3 target images of {beside}"


def test_a_meta_info_file_chooses_and_orders_images_and_reaches_subfolders(
    tmp_path: Path, write: Write, noise: Noise
) -> None:
    for number, name in enumerate(("a.png", "b.png", "below/c.png")):
        write(tmp_path / "root" / name, noise(8, 8, number))
    listing = tmp_path / "meta_info.txt"
    listing.write_text("below/c.png (8,8,3)\n\na.png (8,8,3) 1\n")
    source = ImageSource.open(tmp_path / "root", listing)
    assert source.entries == ["below/c.png", "a.png"]
    assert source.describe("source") == f"2 source images of {tmp_path / 'root'} (1 beside them left out: b.png)"
    np.testing.assert_array_equal(source.read(0), noise(8, 8, 2))


def test_a_line_of_a_list_may_be_a_name_with_spaces_or_one_with_more_behind_it(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    for name in ("IMG 1.png", "b.png", "more/c d.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "list.txt").write_text("IMG 1.png\nb.png (8,8,3) 1\nmore/c d.png\n")
    assert ImageSource.open(tmp_path, tmp_path / "list.txt").entries == ["IMG 1.png", "b.png", "more/c d.png"]


def test_missing_things_are_named(tmp_path: Path, noise_folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere does not exist"):
        ImageSource.open(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"list\.txt does not exist"):
        ImageSource.open(noise_folder, tmp_path / "list.txt")
    (tmp_path / "list.txt").write_text("0.png\n7.png\n9.png\n")
    with pytest.raises(FileNotFoundError, match=r"noise lacks 2 images that .*list\.txt lists: 7\.png, 9\.png"):
        ImageSource.open(noise_folder, tmp_path / "list.txt")
    with pytest.raises(FileNotFoundError, match=r"nowhere\.lmdb"):
        ImageSource.open(tmp_path / "nowhere.lmdb")


def test_an_empty_folder_or_list_is_named(tmp_path: Path, noise_folder: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no image in .*empty"):
        ImageSource.open(tmp_path / "empty")
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(ValueError, match=r"no image in .*list\.txt"):
        ImageSource.open(noise_folder, tmp_path / "list.txt")


def test_red_comes_first(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (200, 100, 50)).save(tmp_path / "warm.png")
    assert ImageSource.open(tmp_path).read(0)[0, 0].tolist() == [200, 100, 50]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [(), (3,), (4,)])
def test_gray_alpha_and_16_bits_become_rgb_of_the_same_levels(
    dtype: type, channels: tuple[int, ...], tmp_path: Path, write: Write
) -> None:
    levels = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (6, 7, *channels)).astype(dtype)
    write(tmp_path / "image.png", levels)
    image = ImageSource.open(tmp_path).read(0)
    expected = np.stack([levels] * 3, axis=2) if levels.ndim == 2 else levels[..., :3]
    assert image.dtype == dtype
    np.testing.assert_array_equal(image, expected)
    np.testing.assert_allclose(as_unit(image), expected / np.iinfo(dtype).max, atol=1e-7)
    assert np.abs(as_8_bit(image) / 255 - as_unit(image)).max() <= 0.5 / 255 + 1e-6


def test_a_photograph_taken_sideways_stands_upright(tmp_path: Path) -> None:
    image = Image.fromarray(np.full((8, 16, 3), 128, np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6  # a quarter turn
    image.save(tmp_path / "phone.jpg", exif=exif)
    source = ImageSource.open(tmp_path)
    assert source.read(0).shape == (16, 8, 3)
    assert source.size(0) == (16, 8)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp", ".tif", ".webp", ".ppm"])
def test_the_size_is_known_without_decoding(
    suffix: str, tmp_path: Path, write: Write, noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / f"image{suffix}", noise(9, 13))
    monkeypatch.setattr("usrda_plugin.data.images.decode_colour", pytest.fail)
    assert ImageSource.open(tmp_path).size(0) == (9, 13)


@pytest.mark.parametrize("content", [b"", b"no image", "half"])
def test_an_unreadable_image_is_named(content: bytes | str, noise_folder: Path) -> None:
    file = noise_folder / "3.png"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if isinstance(content, str) else content)
    with pytest.raises(ValueError, match=r"3\.png: expected an image"):
        ImageSource.open(noise_folder).read(3)


def test_floating_point_images_are_refused_by_name(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "hdr.tif"), np.zeros((8, 8, 3), np.float32))
    with pytest.raises(
        ValueError, match=r"hdr\.tif: expected 8 or 16 bits per channel, found 32 bit floating-point ones"
    ):
        ImageSource.open(tmp_path).read(0)


def test_kept_images_are_decoded_once_and_never_pickled_or_written_to(noise_folder: Path) -> None:
    source = ImageSource.open(noise_folder, keep_decoded=True)
    plain = len(pickle.dumps(source))
    image = source.read(2)
    (noise_folder / "2.png").unlink()
    assert source.read(2) is image
    assert not image.flags.writeable
    assert len(pickle.dumps(source)) == plain


def test_partners_are_found_by_name_in_the_order_of_the_first_root(tmp_path: Path, write: Write, noise: Noise) -> None:
    for number, name in enumerate(("b", "a")):
        write(tmp_path / "hr" / f"{name}.png", noise(8, 8))
        write(tmp_path / "lr" / f"{name}x2.bmp", noise(4, 4, number))
    hr = ImageSource.open(tmp_path / "hr")
    lr = hr.partners(tmp_path / "lr", "{}x2")
    assert lr.entries == ["ax2.bmp", "bx2.bmp"]
    with pytest.raises(FileNotFoundError, match=r"lr lacks 2 images .*need as partners: a\.png, b\.png"):
        hr.partners(tmp_path / "lr")


def test_a_partner_by_the_whole_name_goes_before_one_by_the_name_before_a_tile_number(
    tmp_path: Path, write: Write, noise: Noise
) -> None:
    write(tmp_path / "hr" / "a_s001.png", noise(8, 8))
    write(tmp_path / "lr" / "ax2_s001.png", noise(4, 4))
    hr = ImageSource.open(tmp_path / "hr")
    assert hr.partners(tmp_path / "lr", "{}x2").entries == ["ax2_s001.png"]
    write(tmp_path / "lr" / "a_s001x2.bmp", noise(4, 4))
    assert hr.partners(tmp_path / "lr", "{}x2").entries == ["a_s001x2.bmp"]


def test_an_lmdb_gives_the_same_images_as_its_folder(noise_folder: Path, noise_lmdb: Path) -> None:
    files, entries = ImageSource.open(noise_folder), ImageSource.open(noise_lmdb)
    assert len(files) == len(entries) == 5
    for number in range(5):
        np.testing.assert_array_equal(entries.read(number), files.read(number))
        assert entries.size(number) == files.size(number)


def test_a_meta_info_file_chooses_from_an_lmdb_too(noise_lmdb: Path, noise: Noise, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("4.png (40,48,3) 1\n1.png (40,48,3) 1\n")
    source = ImageSource.open(noise_lmdb, tmp_path / "list.txt")
    assert source.entries == ["4", "1"]
    assert source.describe("source").endswith("noise.lmdb (3 beside them left out: 0, 2, 3)")
    assert ImageSource.open(noise_lmdb).describe("source") == f"5 source images of {noise_lmdb}"
    np.testing.assert_array_equal(source.read(1), noise(40, 48, 1))


def test_a_key_that_an_lmdb_lists_but_lacks_is_named(noise_lmdb: Path) -> None:
    with (noise_lmdb / "meta_info.txt").open("a") as listing:
        listing.write("ghost.png (40,48,3) 1\n")
    source = ImageSource.open(noise_lmdb)
    with pytest.raises(FileNotFoundError, match=r"'ghost' is not in the LMDB .*noise\.lmdb"):
        source.read(source.entries.index("ghost"))


def test_two_sources_share_an_lmdb_and_a_source_pickles_after_reading(noise_lmdb: Path) -> None:
    first, second = ImageSource.open(noise_lmdb), ImageSource.open(noise_lmdb)
    np.testing.assert_array_equal(first.read(0), second.read(0))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(first)).read(0), second.read(0))


_inherited: list[object] = []
"""What a forked process has from its parent."""


def _sum_of_first(source: ImageSource) -> int:
    return int(source.read(0).sum())


def _opens_another(path: Path) -> bool:
    return all(lmdb_environment(path) is not environment for environment in _inherited)


def test_a_forked_worker_opens_the_lmdb_for_itself_and_leaves_the_parent_s_alone(
    noise_lmdb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ImageSource.open(noise_lmdb)
    expected = _sum_of_first(source)
    mine = lmdb_environment(noise_lmdb)
    monkeypatch.setattr(f"{__name__}._inherited", [mine])
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply(_sum_of_first, (source,)) == expected
        assert pool.apply(_opens_another, (noise_lmdb,))
    assert lmdb_environment(noise_lmdb) is mine
    assert _sum_of_first(source) == expected


def test_an_lmdb_made_again_is_read_anew(noise_lmdb: Path, noise_folder: Path, tmp_path: Path, write: Write) -> None:
    assert ImageSource.open(noise_lmdb).read(0).any()
    shutil.rmtree(noise_lmdb)
    write(tmp_path / "black" / "0.png", np.zeros((8, 8, 3), np.uint8))
    make_lmdb(tmp_path / "black", noise_lmdb)
    assert not ImageSource.open(noise_lmdb).read(0).any()


@pytest.mark.parametrize("damage", ["cut", "scribble"])
def test_a_damaged_lmdb_is_an_error_and_not_a_crash(damage: str, noise_lmdb: Path) -> None:
    data = noise_lmdb / "data.mdb"
    whole = data.read_bytes()
    data.write_bytes(whole[: len(whole) // 2] if damage == "cut" else b"scribble" * 4096)
    with pytest.raises(ValueError, match=r"the LMDB .*noise\.lmdb"):
        ImageSource.open(noise_lmdb)

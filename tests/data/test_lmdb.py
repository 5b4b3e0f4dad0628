from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import lmdb
import numpy as np
import pytest
from basicsr.data.paired_image_dataset import PairedImageDataset

from usrda_plugin.choices import Encoding
from usrda_plugin.data.images import ImageSource
from usrda_plugin.data.lmdb import TilingSpec, make_lmdb, unique_keys, verify_lmdb
from usrda_plugin.data.pictures import ENCODINGS, encode_colour

Write = Callable[[Path, np.ndarray], Path]
Noise = Callable[..., np.ndarray]


@pytest.fixture
def noise_lmdb(noise_folder: Path, tmp_path: Path) -> Path:
    assert make_lmdb(noise_folder, tmp_path / "noise.lmdb", encoding="png") == 5
    return tmp_path / "noise.lmdb"


def change(path: Path, key: str, value: bytes | None) -> None:
    with lmdb.open(str(path), map_size=2**24) as environment, environment.begin(write=True) as transaction:
        transaction.put(key.encode(), value) if value is not None else transaction.delete(key.encode())


def test_the_list_is_as_basicsr_writes_it(noise_lmdb: Path) -> None:
    lines = [f"{number}.png (40,48,3) 1" for number in range(5)]
    assert (noise_lmdb / "meta_info.txt").read_text().splitlines() == lines


def test_the_list_says_that_images_are_not_compressed(noise_folder: Path, tmp_path: Path) -> None:
    make_lmdb(noise_folder, tmp_path / "plain.lmdb")
    assert (tmp_path / "plain.lmdb" / "meta_info.txt").read_text().splitlines()[4] == "4.ppm (40,48,3) 0"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_basicsr_reads_pairs_from_it(encoding: Encoding, tmp_path: Path, write: Write, noise: Noise) -> None:
    for number in range(3):
        write(tmp_path / "hr" / f"{number}.png", noise(32, 32, number))
        write(tmp_path / "lr" / f"{number}.png", noise(16, 16, number))
    for name in ("hr", "lr"):
        make_lmdb(tmp_path / name, tmp_path / f"{name}.lmdb", encoding=encoding)
    roots = {"dataroot_gt": str(tmp_path / "hr.lmdb"), "dataroot_lq": str(tmp_path / "lr.lmdb")}
    dataset = PairedImageDataset({**roots, "io_backend": {"type": "lmdb"}, "scale": 2, "phase": "val"})
    assert len(dataset) == 3
    gt = (dataset[2]["gt"].numpy().transpose(1, 2, 0) * 255).round()
    np.testing.assert_array_equal(gt, noise(32, 32, 2))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_16_bit_images_keep_their_levels(encoding: Encoding, tmp_path: Path, write: Write) -> None:
    levels = np.random.default_rng(0).integers(0, 2**16, (8, 9, 3)).astype(np.uint16)
    write(tmp_path / "deep" / "a.png", levels)
    make_lmdb(tmp_path / "deep", tmp_path / "deep.lmdb", encoding=encoding)
    source = ImageSource.open(tmp_path / "deep.lmdb")
    np.testing.assert_array_equal(source.read(0), levels)
    with source.opened(0) as image:
        np.testing.assert_array_equal(image, levels)


def test_a_taken_name_is_refused_and_what_is_there_stays(noise_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "taken.lmdb").mkdir()
    (tmp_path / "taken.lmdb" / "precious").write_text("work")
    with pytest.raises(FileExistsError, match=r"taken\.lmdb already exists"):
        make_lmdb(noise_folder, tmp_path / "taken.lmdb")
    assert [file.name for file in (tmp_path / "taken.lmdb").iterdir()] == ["precious"]


def test_a_name_without_the_ending_is_refused(noise_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must end in \.lmdb, found .*images"):
        make_lmdb(noise_folder, tmp_path / "images")


def test_a_tile_named_as_another_image_is_refused(
    noise_folder: Path, tmp_path: Path, write: Write, noise: Noise
) -> None:
    write(noise_folder / "0_s002.png", noise(40, 40))
    with pytest.raises(ValueError, match="two images would have the key '0_s002'"):
        make_lmdb(noise_folder, tmp_path / "out" / "tiles.lmdb", tiling=TilingSpec(crop=47))
    assert list((tmp_path / "out").iterdir()) == []


def test_an_image_smaller_than_the_multiple_is_named(noise_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"0\.png: expected at least 41x41 pixels, found 40x48"):
        make_lmdb(noise_folder, tmp_path / "a.lmdb", tiling=TilingSpec(multiple=41))


def test_all_unreadable_images_are_named_and_nothing_is_left_behind(noise_folder: Path, tmp_path: Path) -> None:
    for name in ("1.png", "3.png"):
        (noise_folder / name).write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"(?s)1\.png.*3\.png"):
        make_lmdb(noise_folder, tmp_path / "out" / "noise.lmdb")
    assert list((tmp_path / "out").iterdir()) == []


def test_an_interruption_leaves_nothing_behind(noise_folder: Path, tmp_path: Path) -> None:
    def interrupted(numbers: range) -> Iterable[int]:
        yield numbers[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_lmdb(noise_folder, tmp_path / "out" / "noise.lmdb", progress=interrupted)
    assert list((tmp_path / "out").iterdir()) == []


def test_progress_sees_every_image(noise_folder: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    def progress(numbers: range) -> Iterable[int]:
        for number in numbers:
            seen.append(number)
            yield number

    make_lmdb(noise_folder, tmp_path / "noise.lmdb", progress=progress)
    assert seen == [0, 1, 2, 3, 4]


def test_it_grows_beyond_its_first_size(
    noise_folder: Path, tmp_path: Path, noise: Noise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("usrda_plugin.data.lmdb.FIRST_MAP_SIZE", 2**14)
    make_lmdb(noise_folder, tmp_path / "noise.lmdb")
    assert verify_lmdb(tmp_path / "noise.lmdb") == []
    np.testing.assert_array_equal(ImageSource.open(tmp_path / "noise.lmdb").read(4), noise(40, 48, 4))


def test_tiles_are_entries_of_their_own(noise_folder: Path, tmp_path: Path, noise: Noise) -> None:
    assert make_lmdb(noise_folder, tmp_path / "tiles.lmdb", tiling=TilingSpec(crop=32)) == 5 * 4
    source = ImageSource.open(tmp_path / "tiles.lmdb")
    assert source.entries[:4] == ["0_s001", "0_s002", "0_s003", "0_s004"]
    np.testing.assert_array_equal(source.read(3), noise(40, 48, 0)[8:, 16:])


def test_keys_are_unique_and_of_letters_that_basicsr_takes() -> None:
    entries = ["a.png", "a.jpg", "a_2.png", "my photo.v2.png", "Grün.png", "below/a.png"]
    keys = unique_keys(entries)
    assert keys == ["a", "a_2", "a_2_2", "my_photo_v2", "Gr_n", "below/a"]


def test_tiles_of_hr_and_lr_images_show_the_same_place(tmp_path: Path, write: Write, noise: Noise) -> None:
    small = noise(21, 26)
    # a remainder that belongs to no LR pixel, at the right and the bottom
    write(tmp_path / "hr" / "a.png", np.pad(small.repeat(4, 0).repeat(4, 1), ((0, 3), (0, 2), (0, 0))))
    write(tmp_path / "lr" / "a.png", small)
    make_lmdb(tmp_path / "hr", tmp_path / "hr.lmdb", tiling=TilingSpec(crop=32, step=20, multiple=4))
    make_lmdb(tmp_path / "lr", tmp_path / "lr.lmdb", tiling=TilingSpec(crop=8, step=5))
    hr = ImageSource.open(tmp_path / "hr.lmdb")
    lr = hr.partners(tmp_path / "lr.lmdb")
    assert len(lr) == len(hr) == 4 * 5
    for index in range(len(hr)):
        np.testing.assert_array_equal(hr.read(index)[::4, ::4], lr.read(index))


def test_an_lmdb_can_be_made_of_another(noise_lmdb: Path, tmp_path: Path, noise: Noise) -> None:
    assert make_lmdb(noise_lmdb, tmp_path / "plain.lmdb") == 5
    np.testing.assert_array_equal(ImageSource.open(tmp_path / "plain.lmdb").read(4), noise(40, 48, 4))


def test_images_of_the_same_stem_both_arrive(tmp_path: Path, write: Write, noise: Noise) -> None:
    write(tmp_path / "same" / "a.png", noise(8, 8, 1))
    write(tmp_path / "same" / "a.bmp", noise(8, 8, 2))
    make_lmdb(tmp_path / "same", tmp_path / "same.lmdb")
    source = ImageSource.open(tmp_path / "same.lmdb")
    assert {source.read(n).tobytes() for n in range(2)} == {noise(8, 8, n).tobytes() for n in (1, 2)}


def test_a_whole_lmdb_has_no_faults(noise_lmdb: Path) -> None:
    assert verify_lmdb(noise_lmdb) == []


def test_an_uncompressed_entry_that_is_cut_off_is_a_fault(noise_folder: Path, tmp_path: Path, noise: Noise) -> None:
    make_lmdb(noise_folder, tmp_path / "plain.lmdb")
    change(tmp_path / "plain.lmdb", "3", encode_colour(noise(40, 48, 3), "ppm")[:-1])
    assert ["plain.lmdb: 3: expected an image" in fault for fault in verify_lmdb(tmp_path / "plain.lmdb")] == [True]


def test_faults_in_data_and_list_are_described_one_by_one(noise_lmdb: Path) -> None:
    change(noise_lmdb, "0", None)
    change(noise_lmdb, "1", b"no image")
    change(noise_lmdb, "stray", b"unlisted")
    listing = noise_lmdb / "meta_info.txt"
    listing.write_text(
        listing.read_text().replace("2.png (40,", "2.png (41,") + "4.png (40,48,3) 1\nwithout a shape.png\n"
    )
    faults = verify_lmdb(noise_lmdb)
    expected = ["'0' is not in", "noise.lmdb: 1: expected an image", "2 is 40x48", "'without a shape.png'"]
    expected += ["lists '4' 2 times", "'stray' is stored"]
    assert len(faults) == len(expected)
    assert all(part in fault for part, fault in zip(expected, faults, strict=True)), faults


def test_a_missing_list_or_a_cut_file_is_a_fault(noise_lmdb: Path, tmp_path: Path) -> None:
    assert "no LMDB" in verify_lmdb(tmp_path / "nowhere.lmdb")[0]
    data = noise_lmdb / "data.mdb"
    data.write_bytes(data.read_bytes()[:-4096])
    assert "cut off" in verify_lmdb(noise_lmdb)[0]
    (noise_lmdb / "data.mdb").write_bytes(b"")
    assert "noise.lmdb" in verify_lmdb(noise_lmdb)[0]


def test_a_missing_list_is_a_fault(noise_lmdb: Path) -> None:
    (noise_lmdb / "meta_info.txt").unlink()
    assert verify_lmdb(noise_lmdb) == [f"meta-info file {noise_lmdb / 'meta_info.txt'} does not exist"]

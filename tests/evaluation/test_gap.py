"""From folders to a gap: which photographs are looked at, what is left out and said, what comes out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from basicsr.archs.srvgg_arch import SRVGGNetCompact

from tests.evaluation.tiles import Change, add_noise, blur
from usrda_plugin.archs import USRDANet
from usrda_plugin.data import ImageSource, bicubic_downsample, make_lmdb
from usrda_plugin.errors import SetupError
from usrda_plugin.evaluation import measure_gap
from usrda_plugin.evaluation.measures import ROWS
from usrda_plugin.evaluation.photographs import CROPS, PHOTOGRAPHS, cut_crops, gather
from usrda_plugin.evaluation.picture import draw, png

Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, tiles: list[np.ndarray]) -> Folder:
    """Write tiles, changed, into a folder as PNG files."""

    def folder(name: str, which: slice, change: Change = blur, strength: float = 0) -> Path:
        (tmp_path / name).mkdir(parents=True)
        for number, tile in enumerate(tiles[which]):
            save(tmp_path / name / f"{number:02}.png", change(tile, strength))
        return tmp_path / name

    return folder


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals and chance from a few draws: their values do not matter here."""
    monkeypatch.setattr("usrda_plugin.evaluation.gap.ROWS", tuple(row._replace(draws=3) for row in ROWS))


def save(file: Path, image: np.ndarray) -> None:
    file.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(file), image[..., ::-1] if image.ndim == 3 else image)


def test_a_noisy_folder_differs_in_noise(folder: Folder) -> None:
    gap = measure_gap(folder("clean", slice(0, 20, 2)), folder("noisy", slice(1, 20, 2), add_noise, 6))
    assert gap.measure("noise").differs
    found = gap.measure("noise")
    # of luma, whose weights average the colours' noises; and texture, which the source has too
    assert found.target == pytest.approx(np.hypot(6 * 0.669, found.source or 0), rel=0.15)
    assert not gap.measure("colour").differs
    assert (gap.source.used, gap.target.used) == (10, 10)
    assert "noise" in gap.verdict().split("; alike")[0]


@pytest.mark.usefixtures("few_draws")
def test_a_folder_has_no_gap_to_itself_and_the_seed_decides(folder: Folder) -> None:
    photographs = folder("photos", slice(0, 8))
    gap = measure_gap(photographs, str(photographs))
    assert [measure.value for measure in gap.measures] == pytest.approx([0] * len(gap.measures), abs=1e-9)
    other = folder("others", slice(8, 16))
    first, second, third = (measure_gap(photographs, other, seed=seed).to_dict() for seed in (0, 0, 1))
    assert first == second
    assert first["measures"] != third["measures"]


@pytest.mark.usefixtures("few_draws")
def test_lmdb_list_and_image_source_are_the_folder(folder: Folder, tmp_path: Path) -> None:
    photographs, other = folder("photos", slice(0, 6)), folder("others", slice(8, 12))
    make_lmdb(photographs, tmp_path / "photos.lmdb")
    expected = measure_gap(photographs, other)
    for place in (tmp_path / "photos.lmdb", sorted(photographs.iterdir()), ImageSource.open(photographs)):
        assert measure_gap(place, other).measures == expected.measures


@pytest.mark.usefixtures("few_draws")
def test_a_source_that_is_shrunk_is_like_what_training_makes_of_it(folder: Folder, tmp_path: Path) -> None:
    hr = folder("hr", slice(0, 6))
    for file in sorted(hr.iterdir()):
        save(tmp_path / "lr" / file.name, bicubic_downsample(cv2.imread(str(file))[..., ::-1], 2))
    gap = measure_gap(hr, tmp_path / "lr", scale=2)
    assert gap.scale == 2
    assert gap.measure("sharpness").value == pytest.approx(0, abs=3)
    # unshrunk, HR photographs lack the finest detail that their LR images have
    assert (measure_gap(hr, tmp_path / "lr").measure("sharpness").value or 0) > 10


def test_crops_of_shrunk_photographs_are_those_of_their_lr_image(folder: Folder) -> None:
    images = ImageSource.open(folder("hr", slice(0, 1)))
    lr = bicubic_downsample(images.read(0), 2).astype(np.float32) / 255
    crops = cut_crops(images, 0, 2, np.random.default_rng(0))
    assert crops.shape == (CROPS, 3, 64, 64)
    np.testing.assert_array_equal(crops[0].numpy().transpose(1, 2, 0), lr)  # a tile has room for one place


def test_jpegs_blocks_begin_at_the_same_pixel_of_all_crops(folder: Folder, tmp_path: Path) -> None:
    places = np.indices((200, 220)).transpose(1, 2, 0) % 8
    save(tmp_path / "a.png", np.dstack([places, np.full((200, 220), 9)]).astype(np.uint8))
    crops = cut_crops(ImageSource.open(tmp_path), 0, 1, np.random.default_rng(0))
    assert all((crop == crops[0]).all() for crop in crops)


@pytest.mark.usefixtures("few_draws")
def test_what_cannot_be_compared_is_left_out_and_counted(folder: Folder) -> None:
    photographs, other = folder("photos", slice(0, 6)), folder("others", slice(8, 14))
    expected = measure_gap(photographs, other)
    colour = cv2.imread(str(photographs / "00.png"))
    save(photographs / "small.png", colour[:40])
    save(photographs / "gray.png", colour[..., 0])
    (photographs / "text.png").write_text("no image")
    (photographs / "notes.txt").write_text("notes")
    (photographs / ".DS_Store.png").touch()
    (photographs / "sub").mkdir()
    shutil.move(photographs / "05.png", photographs / "sub" / "05.png")
    gap = measure_gap(photographs, other)
    assert gap.source.left_out == {
        "of other formats": 1, "hidden": 1, "smaller than 64 pixels a side": 1, "gray": 1, "unreadable": 1,
    }  # fmt: skip
    assert (gap.source.used, gap.source.looked_at, gap.source.found) == (6, 9, 9)
    assert gap.target.left_out == {}
    line = gap.describe().splitlines()[0]
    assert line.startswith(f"source {photographs}: 6 photographs; left out: ")
    assert "1 gray" in line
    assert gap.measure("brightness").target == expected.measure("brightness").target


def test_all_left_out_is_refused(folder: Folder, tmp_path: Path) -> None:
    photographs = folder("photos", slice(0, 2))
    for number in range(3):
        save(tmp_path / "small" / f"{number}.png", np.zeros((40, 90, 3), np.uint8))
    save(tmp_path / "small" / "gray.png", np.zeros((90, 90), np.uint8))
    expected = r"small: expected colour photographs of at least 64 pixels a side, found none among 4: 3 smaller than"
    with pytest.raises(SetupError, match=expected):
        measure_gap(photographs, tmp_path / "small")
    with pytest.raises(SetupError, match="at least 192 pixels a side, found none among 2: 2 smaller than 192"):
        measure_gap(photographs, photographs, scale=3)


@pytest.mark.parametrize("place", ["nowhere", "empty", "nowhere.lmdb", []])
def test_a_place_without_photographs_is_refused(place: str | list[Path], folder: Folder, tmp_path: Path) -> None:
    photographs = folder("photos", slice(0, 2))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SetupError, match=r"expected|missing"):
        measure_gap(photographs, tmp_path / place if isinstance(place, str) else place)


def test_a_network_without_encoder_is_refused_before_photographs_are_looked_at() -> None:
    with pytest.raises(SetupError, match="found SRVGGNetCompact"):
        measure_gap("nowhere", "nowhere", SRVGGNetCompact(num_feat=8, num_conv=1, upscale=2))


def test_of_many_photographs_64_are_looked_at_evenly_spaced(tmp_path: Path, tiles: list[np.ndarray]) -> None:
    for number in range(2 * PHOTOGRAPHS):
        good = number % 2 == 0  # the others are not even opened
        file = tmp_path / f"{number:03}.png"
        save(file, tiles[0][:64, :64]) if good else file.write_text("no image")
    statistics, looked = gather(tmp_path, 1, None, 0)
    assert (looked.found, looked.looked_at, looked.used, looked.left_out) == (128, 64, 64, {})
    assert len(statistics) == 64
    assert looked.describe().endswith(": 64 photographs, evenly spaced among 128")


@pytest.mark.usefixtures("few_draws")
def test_one_photograph_of_each_gives_plain_differences_alone(folder: Folder) -> None:
    gap = measure_gap(folder("one", slice(0, 1)), folder("other", slice(1, 2), add_noise, 8))
    assert gap.measure("a_distance").value is None
    assert (gap.measure("noise").value or 0) > 3
    assert gap.verdict() == "Differences cannot be told from chance: that needs 4 photographs of each"
    assert "not defined" in gap.describe()
    assert png(gap)[:4] == b"\x89PNG"


@pytest.mark.usefixtures("few_draws")
def test_a_gap_becomes_json_and_text_and_a_picture(folder: Folder) -> None:
    network = USRDANet(2, "conv", num_feat=4, num_block=0, num_block_lr_decoder=0).eval()
    gap = measure_gap(folder("a", slice(0, 5)), folder("b", slice(5, 10)), network)
    content = json.loads(json.dumps(gap.to_dict(), allow_nan=False))
    assert content["network"] == "USRDANet"
    assert list(content["measures"]) == [row.name for row in ROWS]
    noise = content["measures"]["noise"]
    assert noise["span"] == [None, None]
    assert noise["value"] == pytest.approx(noise["target"] - noise["source"])
    assert len(content["spectra"]["source"]) == 16
    assert content["source"]["used"] == 5
    text = gap.describe()
    assert all(row.title in text for row in ROWS)
    spectra, bars = draw(gap).axes
    assert [label.get_text() for label in bars.get_yticklabels()] == [row.title for row in ROWS][::-1]
    np.testing.assert_allclose(spectra.lines[0].get_ydata(), 10 * np.log10(content["spectra"]["source"]))
    by_chance = [abs(measure.value or 0) / (measure.chance or 1) for measure in gap.measures[::-1]]
    drawn = [bar.get_x() + bar.get_width() for bar in bars.patches if bar.get_height() < 1]
    np.testing.assert_allclose(drawn, np.clip(by_chance, 0.1, 100))


def test_the_docs_have_every_measure() -> None:
    text = (Path(__file__).parents[2] / "docs" / "gap.md").read_text(encoding="utf-8")
    assert [row.name for row in ROWS if f"`{row.name}`" not in text] == []

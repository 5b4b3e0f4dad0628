"""Pieces of photographs to look at: where there is something to see, and always the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.adaptation.scenes import scene
from usrda_plugin.adaptation.crops import most_detailed, spread_evenly, validation_crops
from usrda_plugin.adaptation.found import Photograph, Survey

Save = Callable[..., Path]


def surveyed(folder: Path, *files: Path) -> Survey:
    return Survey(folder, [Photograph(file, 0, 0) for file in files], [], Counter())


def with_detail_at(top: int, left: int, height: int = 400, width: int = 600) -> np.ndarray:
    """Gray all over, but for a scene at one place."""
    picture = np.full((height, width, 3), 128, np.uint8)
    picture[top : top + 80, left : left + 80] = scene(1, 80, 80)
    return picture


@pytest.mark.parametrize("place", [(0, 0), (320, 520), (140, 260), (320, 0)])
def test_the_place_with_the_detail_is_taken(place: tuple[int, int]) -> None:
    top, left = most_detailed(with_detail_at(*place), 80)
    assert abs(top - place[0]) <= 20
    assert abs(left - place[1]) <= 20


def test_a_clipped_place_is_not_taken_however_much_is_there() -> None:
    picture = with_detail_at(100, 100)
    rng = np.random.default_rng(0)
    picture[300:380, 400:480] = cv2.resize(rng.integers(0, 2, (20, 20, 1), dtype=np.uint8) * 255, (80, 80))[..., None]
    top, left = most_detailed(picture, 80)
    assert (abs(top - 100) <= 20, abs(left - 100) <= 20) == (True, True)


def test_noise_is_not_taken_for_detail() -> None:
    picture = with_detail_at(0, 0)
    noise = np.random.default_rng(0).normal(128, 12, (80, 80, 3))
    picture[300:380, 500:580] = noise.clip(0, 255)
    assert most_detailed(picture, 80)[0] <= 20


def test_strips_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = scene(3, 500, 300)
    whole = most_detailed(picture, 80)
    monkeypatch.setattr("usrda_plugin.adaptation.crops.STRIP", 40)
    found = most_detailed(picture, 80)
    assert abs(found[0] - whole[0]) <= 20
    assert abs(found[1] - whole[1]) <= 20


def test_crops_are_of_the_side_and_of_photographs_evenly_spaced(tmp_path: Path, save: Save) -> None:
    files = [save(f"{number:02d}.png", number) for number in range(10)]
    crops = validation_crops(surveyed(tmp_path, *files), 5, 96)
    assert [crop.name for crop in crops] == ["01", "03", "05", "07", "09"]
    assert {crop.levels.shape for crop in crops} == {(96, 96, 3)}
    again = validation_crops(surveyed(tmp_path, *files), 5, 96)
    assert all(np.array_equal(one.levels, other.levels) for one, other in zip(crops, again, strict=True))


def test_crops_are_pieces_of_their_photographs(tmp_path: Path, save: Save) -> None:
    levels = scene(4)
    (crop,) = validation_crops(surveyed(tmp_path, save("a.png", levels)), 1, 64)
    windows = np.lib.stride_tricks.sliding_window_view(levels, (64, 64, 3))
    assert any(np.array_equal(window, crop.levels) for row in windows for window in row[:, 0])


def test_a_small_gray_photograph_of_16_bits_is_taken_whole(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), scene(1, 50, 200)[..., 0].astype(np.uint16) * 257)
    (crop,) = validation_crops(surveyed(tmp_path, tmp_path / "a.png"), 8, 160)
    assert crop.levels.shape == (50, 160, 3)
    assert crop.levels.dtype == np.uint8


def test_names_are_files_of_one_folder_and_never_the_same(tmp_path: Path, save: Save) -> None:
    files = [save("a/b.png", 1), save("a_b.png", 2), save("a_b.jpg", 3)]
    names = [crop.name for crop in validation_crops(surveyed(tmp_path, *files), 8, 64)]
    assert len(set(names)) == 3
    assert not any("/" in name for name in names)


@pytest.mark.parametrize(
    ("length", "number", "expected"), [(3, 8, [0, 1, 2]), (8, 8, list(range(8))), (9, 3, [1, 4, 7]), (0, 3, [])]
)
def test_things_are_spread_evenly(length: int, number: int, expected: list[int]) -> None:
    assert spread_evenly(length, number) == expected

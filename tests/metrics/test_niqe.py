"""NIQE in tensors: BasicSR's values but for the rounding of BasicSR's own resize, and nan where it is not defined."""

from __future__ import annotations

import csv
import importlib.util
import math
from importlib import import_module
from inspect import unwrap
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_metric
from basicsr.metrics.niqe import calculate_niqe
from basicsr.utils.matlab_functions import calculate_weights_indices
from basicsr.utils.registry import METRIC_REGISTRY

from usrda_plugin.metrics import calculate_usrda_niqe, niqe
from usrda_plugin.metrics.levels import levels_of_picture

PHOTOGRAPHS = ("camera.png", "chelsea.png", "coffee.png", "coins.png", "grass.png", "motorcycle_left.png")
MODULE = import_module("usrda_plugin.metrics.niqe")

# an exponent that stands between two steps of .001 may fall on either by the last digit of a mean in fp32
OF_ONE_STEP = 0.02
# BasicSR halves the image in fp32, so that its values hold by themselves to this much only
OF_ITS_ROUNDING = 2e-3


class Levels(np.ndarray):
    """Levels already, so that BasicSR's multiplication by 255 shall not touch them."""

    def __mul__(self, factor: float) -> np.ndarray:
        assert factor == 255
        return np.asarray(self)


def halving(length: int) -> np.ndarray:
    """MATLAB's antialiased bicubic halving as a matrix, from BasicSR's weights, which fp32 holds exactly."""
    weights, indices, before, _ = calculate_weights_indices(length, length // 2, 0.5, "cubic", 4, True)
    matrix = np.zeros((length // 2, length))
    for row, (taps, places) in enumerate(zip(weights.double().numpy(), indices.long().numpy() - before, strict=True)):
        for tap, place in zip(taps, places, strict=True):
            mirrored = -1 - place if place < 0 else 2 * length - 1 - place if place >= length else place
            matrix[row, mirrored] += tap
    return matrix


@pytest.fixture
def exact_resize(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let BasicSR's NIQE halve images without rounding."""

    def resize(image: np.ndarray, scale: float, antialiasing: bool) -> np.ndarray:
        assert (scale, antialiasing) == (0.5, True)
        height, width = image.shape
        halves = halving(height) @ np.round(image.astype(np.float64) * 255) @ halving(width).T
        return halves.astype(np.float32).view(Levels)

    monkeypatch.setattr(import_module("basicsr.metrics.niqe"), "imresize", resize)


@pytest.mark.parametrize("name", [*PHOTOGRAPHS, "astronaut.png", "logo.png", "page.png", "chessboard_GRAY.png"])
def test_values_are_basicsrs_computed_with_an_exact_resize(name: str, photograph, exact_resize: None) -> None:
    picture = photograph(name)
    assert calculate_usrda_niqe(picture, 4) == pytest.approx(unwrap(calculate_niqe)(picture, 4), abs=1e-5)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_values_of_photographs_are_basicsrs_up_to_its_rounding(name: str, photograph) -> None:
    picture = photograph(name)
    for image in (picture, cv2.GaussianBlur(picture, (0, 0), 0.7)):
        assert calculate_usrda_niqe(image, 4) == pytest.approx(calculate_niqe(image, 4), abs=OF_ITS_ROUNDING)


@pytest.mark.parametrize(("height", "width"), [(96, 192), (192, 96), (97, 205), (205, 301), (200, 200)])
def test_values_are_basicsrs_for_any_size(height: int, width: int, textured: np.ndarray, exact_resize: None) -> None:
    picture = textured[:height, :width]
    assert calculate_usrda_niqe(picture, 0) == pytest.approx(unwrap(calculate_niqe)(picture, 0), abs=1e-5)


@pytest.mark.parametrize("level", [0, 37, 255])
def test_blocks_without_texture_count_as_in_basicsr(level: int, photograph, exact_resize: None) -> None:
    picture = photograph("coffee.png")[:288, :288].copy()
    picture[:96] = level  # three blocks of nine
    picture[150:192, :96] = level  # and most of another
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="empty slice|invalid value"):
        expected = unwrap(calculate_niqe)(picture, 0)
    assert calculate_usrda_niqe(picture, 0) == pytest.approx(expected, abs=1e-5)


def test_takes_the_arguments_of_basicsr(textured: np.ndarray, exact_resize: None) -> None:
    original = unwrap(calculate_niqe)
    planes = np.ascontiguousarray(textured.transpose(2, 0, 1))
    for picture, arguments in (
        (planes, {"input_order": "CHW", "convert_to": "gray"}),
        (textured, {"convert_to": "gray"}),
        (textured[..., 0], {"input_order": "HW"}),
        (textured[..., :1], {}),
        (textured.astype(np.float32) + 0.5, {}),
    ):
        expected = original(picture, 3, **arguments)
        assert calculate_usrda_niqe(picture, 3, **arguments) == pytest.approx(expected, abs=OF_ONE_STEP), arguments


def test_another_conversion_is_refused(textured: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected convert_to 'y' or 'gray', found 'luma'"):
        calculate_usrda_niqe(textured, 0, convert_to="luma")


def test_a_batch_has_the_values_of_its_images(photograph) -> None:
    pictures = [photograph(name)[:200, :300] for name in PHOTOGRAPHS[:3]]
    pictures.insert(1, np.zeros((200, 300, 3), np.uint8))
    values = niqe(torch.cat([levels_of_picture(picture) for picture in pictures]), 2)
    assert math.isnan(values[1])
    alone = [calculate_usrda_niqe(pictures[index], 2) for index in (0, 2, 3)]
    assert values[[0, 2, 3]].tolist() == pytest.approx(alone, rel=1e-9)


def test_official_values_are_met(shared_data: Path) -> None:
    folder = shared_data / "metric_calib"
    with (folder / "calibration_summary.csv").open() as file:
        official = {row["Method"]: row for row in csv.DictReader(file)}["niqe"]
    for file in sorted((folder / "dist_dir").iterdir()):
        gray = cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2GRAY)
        value = calculate_usrda_niqe(gray, 0, input_order="HW")
        assert value == pytest.approx(float(official[f"{file.stem}.bmp"]), rel=6e-3)  # of gray, converted by MATLAB


def test_two_blocks_are_enough(textured: np.ndarray) -> None:
    assert math.isfinite(calculate_usrda_niqe(textured[:96, :192], 0))


@pytest.mark.parametrize("level", [0, 128])
def test_a_flat_image_is_nan_with_a_warning(level: int) -> None:
    with pytest.warns(UserWarning, match="NIQE is not defined here"):
        assert math.isnan(calculate_usrda_niqe(np.full((200, 200, 3), level, np.uint8), 0))


def test_one_block_with_texture_is_nan_with_a_warning(textured: np.ndarray) -> None:
    picture = np.zeros((96, 288, 3), np.uint8)
    picture[:, 5:91] = textured[:96, :86]  # apart from the others, which the window must not see
    with pytest.warns(UserWarning, match="NIQE is not defined here"):
        assert math.isnan(calculate_usrda_niqe(picture, 0))


@pytest.mark.parametrize(("height", "width", "border"), [(95, 300, 0), (96, 191, 0), (96, 192, 1), (20, 20, 15)])
def test_fewer_than_two_blocks_are_nan_with_a_warning(
    height: int, width: int, border: int, textured: np.ndarray
) -> None:
    with pytest.warns(UserWarning, match=f"{height}x{width} pixels, {border} cut off"):
        assert math.isnan(calculate_usrda_niqe(textured[:height, :width], border))


def test_basicsr_finds_it_by_name(textured: np.ndarray) -> None:
    options = {"type": "calculate_usrda_niqe", "crop_border": 0}
    assert math.isfinite(calculate_metric({"img": textured[:96, :192], "img2": textured[:96, :192]}, options))


def test_registering_a_second_time_is_harmless() -> None:
    assert MODULE.__file__ is not None
    spec = importlib.util.spec_from_file_location("niqe_again", MODULE.__file__)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert METRIC_REGISTRY.get("calculate_usrda_niqe") is calculate_usrda_niqe

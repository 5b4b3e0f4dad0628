"""PSNR and SSIM in tensors have BasicSR's values; the shift of colours, by images whose means are known."""

from __future__ import annotations

import csv
import math
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_metric
from basicsr.metrics.psnr_ssim import calculate_psnr, calculate_ssim
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from usrda_plugin.metrics import (
    calculate_usrda_colour_shift,
    calculate_usrda_psnr,
    calculate_usrda_ssim,
    colour_shift,
    psnr,
    ssim,
)
from usrda_plugin.metrics.levels import levels_of_picture

METRICS = [(calculate_usrda_psnr, calculate_psnr), (calculate_usrda_ssim, calculate_ssim)]


def random(height: int, width: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(height, width, 3))
    return (128 + 900 * gaussian_filter(noise, (5, 5, 0))).clip(0, 255).astype(np.uint8)


def flat(height: int, width: int, seed: int) -> np.ndarray:
    return np.full((height, width, 3), 37 * seed % 256, np.uint8)


def grayish(height: int, width: int, seed: int) -> np.ndarray:
    return np.repeat(smooth(height, width, seed)[..., :1], 3, axis=2)


def nearly_equal(height: int, width: int, seed: int) -> np.ndarray:
    """Black but for one level of blue: a luma error of a tenth of a level."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[height // 2, width // 2, 0] = seed % 2
    return picture


KINDS = {kind.__name__: kind for kind in (random, smooth, flat, grayish, nearly_equal)}


def assert_same(found: float, expected: float) -> None:
    assert found == pytest.approx(expected, abs=1e-9, rel=1e-9, nan_ok=True)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    crop_border=st.integers(0, 4),
    luma=st.booleans(),
)
def test_values_are_basicsrs_for_images_of_any_kind_and_size(
    kind: str, height: int, width: int, crop_border: int, luma: bool
) -> None:
    assume(min(height, width) > 2 * crop_border)  # of nothing BasicSR has an error of OpenCV's
    image, reference = (KINDS[kind](height, width, seed) for seed in (1, 2))
    for ours, theirs in METRICS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # numpy's, of the mean of nothing
            expected = theirs(image, reference, crop_border, test_y_channel=luma)
        assert_same(ours(image, reference, crop_border, test_y_channel=luma), expected)


@pytest.mark.parametrize("luma", [False, True])
@pytest.mark.parametrize("metric", METRICS, ids=["psnr", "ssim"])
def test_values_of_a_photograph_are_basicsrs(metric, luma, photograph) -> None:
    ours, theirs = metric
    reference = photograph("coffee.png")
    image = cv2.GaussianBlur(reference, (0, 0), 0.8)
    assert_same(ours(image, reference, 4, test_y_channel=luma), theirs(image, reference, 4, test_y_channel=luma))


@pytest.mark.parametrize("metric", METRICS, ids=["psnr", "ssim"])
def test_arguments_are_basicsrs(metric, textured) -> None:
    ours, theirs = metric
    other = cv2.GaussianBlur(textured, (0, 0), 1)
    planes = [np.ascontiguousarray(picture.transpose(2, 0, 1)) for picture in (textured, other)]
    assert_same(ours(*planes, 3, input_order="CHW"), theirs(*planes, 3, input_order="CHW"))
    assert_same(ours(textured[..., 0], other[..., 0], 3), theirs(textured[..., 0], other[..., 0], 3))
    floats = [picture.astype(np.float32) + 0.25 for picture in (textured, other)]
    assert_same(ours(*floats, 0, better="higher"), theirs(*floats, 0, better="higher"))


def test_equal_images_have_an_infinite_psnr_and_an_ssim_of_one(textured) -> None:
    assert calculate_usrda_psnr(textured, textured, 4, test_y_channel=True) == math.inf
    assert calculate_usrda_ssim(textured, textured, 4) == pytest.approx(1, abs=1e-12)


def test_an_error_of_one_level_everywhere_is_48_decibel(textured) -> None:
    assert calculate_usrda_psnr(textured | 1, textured & 254, 0) == pytest.approx(20 * math.log10(255), abs=1e-12)


@pytest.mark.parametrize("metric", [psnr, ssim])
@pytest.mark.parametrize("luma", [False, True])
def test_a_batch_has_the_values_of_its_images(metric, luma, photograph) -> None:
    pictures = [photograph(name)[:90, :120] for name in ("coffee.png", "chelsea.png", "astronaut.png")]
    images = torch.cat([levels_of_picture(picture) for picture in pictures])
    references = images.roll(1, dims=-1)
    values = metric(images, references, 2, luma)
    alone = [metric(images[i : i + 1], references[i : i + 1], 2, luma).item() for i in range(3)]
    assert values.shape == (3,)
    assert values.tolist() == pytest.approx(alone, rel=1e-12)
    assert len(set(alone)) == 3


@pytest.mark.parametrize("metric", [psnr, ssim, colour_shift])
def test_images_of_two_sizes_are_refused(metric) -> None:
    images = (torch.zeros(1, 3, 20, size, dtype=torch.uint8) for size in (20, 22))
    with pytest.raises(ValueError, match=r"ground truth's size, found .* 3x20x20 and 3x20x22"):
        metric(*images, 0)


def test_official_values_are_met(shared_data: Path) -> None:
    folder = shared_data / "metric_calib"
    with (folder / "calibration_summary.csv").open() as file:
        official = {row["Method"]: row for row in csv.DictReader(file)}
    for file in sorted((folder / "dist_dir").iterdir()):
        image, reference = cv2.imread(str(file)), cv2.imread(str(folder / "ref_dir" / file.name))
        column = f"{file.stem}.bmp"
        assert calculate_usrda_psnr(image, reference, 0) == pytest.approx(float(official["psnr"][column]), abs=0.006)
        # the official SSIM is of gray images
        gray = [cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY) for picture in (image, reference)]
        assert calculate_usrda_ssim(*gray, 0) == pytest.approx(float(official["ssim"][column]), abs=2e-4)


def test_a_constant_offset_is_its_own_shift(textured: np.ndarray) -> None:
    reference = textured.clip(0, 247)
    assert calculate_usrda_colour_shift(reference, reference, 2) == 0
    assert calculate_usrda_colour_shift(reference + 8, reference, 2) == pytest.approx(8, abs=1e-9)
    assert calculate_usrda_colour_shift(reference, reference + 8, 2) == pytest.approx(8, abs=1e-9)


def test_offsets_of_either_sign_do_not_cancel() -> None:
    reference = torch.full((1, 3, 5, 7), 100, dtype=torch.uint8)
    image = reference + torch.tensor([6, -9, 0]).reshape(1, 3, 1, 1)
    assert colour_shift(image, reference, 0).tolist() == pytest.approx([5])


def test_swapped_channels_shift_by_the_distance_of_their_means() -> None:
    means = torch.tensor([10, 40, 100], dtype=torch.uint8).reshape(1, 3, 1, 1)
    reference = means.expand(1, 3, 6, 6)
    assert colour_shift(reference[:, [2, 1, 0]], reference, 0).tolist() == pytest.approx([(90 + 0 + 90) / 3])


def test_only_means_count_and_not_where_pixels_lie(textured: np.ndarray) -> None:
    assert calculate_usrda_colour_shift(textured[::-1, ::-1], textured, 0) == pytest.approx(0, abs=1e-9)


def test_the_border_of_a_shift_is_left_out(textured: np.ndarray) -> None:
    image = textured.copy()
    image[:3], image[-3:], image[:, :3], image[:, -3:] = 255, 255, 255, 255
    assert calculate_usrda_colour_shift(image, textured, 3) == 0
    assert calculate_usrda_colour_shift(image, textured, 2) > 0.1


def test_a_batch_has_the_shifts_of_its_images(textured: np.ndarray) -> None:
    pictures = [textured, 255 - textured, textured // 2]
    levels = torch.cat([levels_of_picture(picture) for picture in pictures])
    references = levels.roll(1, dims=0)
    values = colour_shift(levels, references, 4)
    assert values.shape == (3,)
    alone = [calculate_usrda_colour_shift(pictures[index], pictures[index - 1], 4) for index in range(3)]
    assert values.tolist() == pytest.approx(alone, rel=1e-12)
    assert len({round(value, 3) for value in alone}) == 3


def test_basicsr_finds_the_shift_by_name_and_gray_pictures_have_one_channel(textured: np.ndarray) -> None:
    options = {"type": "calculate_usrda_colour_shift", "crop_border": 0, "better": "lower"}
    gray = textured[..., 0].clip(0, 250)
    assert calculate_metric({"img": gray + 3, "img2": gray}, options) == pytest.approx(3, abs=1e-9)

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from basicsr.utils.matlab_functions import imresize

from usrda_plugin.data.resize import bicubic_downsample, kernel_reach

GOLDEN = [("bench_x4/Set5", 5), ("bench_x4/Set14", 14), ("bench_x4/B100_20", 20), ("bench_x2/Set5", 5)]


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("shape", [(48, 60, 3), (49, 63, 3), (35, 29, 3), (48, 60)])
def test_equals_the_imresize_of_basicsr_on_floats(scale: int, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    expected = imresize(image, 1 / scale)
    found = bicubic_downsample(image, scale)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("scale", [2, 4])
def test_integers_are_rounded_after_each_pass_rows_first(scale: int, noise: Callable[..., np.ndarray]) -> None:
    image = noise(32, 24)[..., 0]

    def shrink_columns(lines: np.ndarray) -> np.ndarray:
        """One pass by the oracle: each column made so wide that the pass along it changes nothing."""
        wide = [np.repeat(line[:, None], 4 * scale, axis=1) for line in lines.T.astype(np.float32)]
        return np.stack([imresize(line, 1 / scale)[:, 0] for line in wide], axis=1)

    rows_done = np.clip(np.floor(shrink_columns(image) + 0.5), 0, 255)
    expected = np.clip(np.floor(shrink_columns(rows_done.T).T + 0.5), 0, 255)
    # the oracle is not exact to the last bit, so where a value lies between two levels it may fall to the other
    differences = np.abs(bicubic_downsample(image, scale).astype(int) - expected)
    assert differences.max() <= 1
    assert (differences > 0).mean() < 0.02
    once = np.clip(np.floor(bicubic_downsample(image.astype(np.float32), scale) + 0.5), 0, 255)
    assert (bicubic_downsample(image, scale) != once).mean() > 0.05  # rounding once is another picture


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_ramp_is_read_at_the_centres_of_the_blocks(scale: int) -> None:
    ramp = np.tile(np.arange(12.0 * scale, dtype=np.float32), (8 * scale, 1))
    centres = (np.arange(12) + 0.5) * scale - 0.5
    np.testing.assert_allclose(bicubic_downsample(ramp, scale)[3, 3:-3], centres[3:-3], rtol=1e-6)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_waves_too_fine_for_the_lr_grid_vanish_and_coarse_ones_stay(scale: int) -> None:
    def amplitude(cycles_per_lr_pixel: float) -> float:
        wave = np.cos(2 * np.pi * cycles_per_lr_pixel / scale * np.arange(60 * scale))
        return float(np.abs(bicubic_downsample(np.tile(wave, (4 * scale, 1)), scale)[0, 4:-4]).max())

    assert amplitude(0.9) < 0.06
    assert amplitude(0.05) > 0.95


def test_an_overshoot_is_clipped_and_does_not_wrap_round() -> None:
    step = np.zeros((16, 16, 3), np.uint8)
    step[:, 8:] = 255
    lr = bicubic_downsample(step, 2).astype(int)
    assert np.all(np.diff(lr, axis=1) >= 0)
    assert lr.min() == 0
    assert lr.max() == 255


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_the_kernel_looks_no_further_than_it_says(scale: int, noise: Callable[..., np.ndarray]) -> None:
    reach = kernel_reach(scale)
    assert reach % scale == 0
    image = noise(6 * scale + 2 * reach, 6 * scale + 2 * reach)
    other = noise(*image.shape[:2], seed=1)
    inside = slice(reach, reach + 6 * scale)
    lr_inside = slice(2 * (reach // scale), 6)
    other[inside, inside] = image[inside, inside]
    found, kept = bicubic_downsample(image, scale), bicubic_downsample(other, scale)
    np.testing.assert_array_equal(found[lr_inside, lr_inside], kept[lr_inside, lr_inside])


def test_scale_one_changes_nothing(noise: Callable[..., np.ndarray]) -> None:
    image = noise(9, 7)
    np.testing.assert_array_equal(bicubic_downsample(image, 1), image)


@pytest.mark.parametrize("scale", [0, -2, 1.5])
def test_a_scale_that_is_no_whole_number_above_zero_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match=f"found {scale}"):
        bicubic_downsample(np.zeros((8, 8)), scale)  # type: ignore[arg-type]


@pytest.mark.parametrize(("folder", "count"), GOLDEN)
def test_matches_lr_images_made_by_matlab_bit_for_bit(folder: str, count: int, shared_data: Path) -> None:
    """The benchmark's MATLAB repeated the outermost pixels where today's, like BasicSR, mirrors them."""
    scale = int(folder[len("bench_x")])
    files = sorted((shared_data / folder).glob("*_HR.png"))
    assert len(files) == count
    for file in files:
        hr = cv2.imread(str(file), cv2.IMREAD_UNCHANGED)
        golden = cv2.imread(str(file).replace("_HR", "_LR"), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(bicubic_downsample(hr, scale)[2:-2, 2:-2], golden[2:-2, 2:-2], str(file))
        ends = [(4 * scale, 4 * scale)] * 2 + [(0, 0)] * (hr.ndim - 2)
        repeated = bicubic_downsample(np.pad(hr, ends, mode="edge"), scale)
        np.testing.assert_array_equal(repeated[4:-4, 4:-4], golden, str(file))

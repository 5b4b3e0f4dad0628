"""Which places are chosen to be looked at."""

from __future__ import annotations

import numpy as np
import pytest

from usrda_plugin.reports.regions import LUMA, Region, busiest, difference_energy, differing

GRAY = np.full((120, 160, 3), 128, np.uint8)
STRIPES = np.where(np.arange(40) // 4 % 2, 40, -40)[None, :, None]


def striped(left: int, top: int, strength: float = 1.0) -> np.ndarray:
    """Gray with stripes of 40 x 30 pixels somewhere."""
    levels = GRAY.astype(float)
    levels[top : top + 30, left : left + 40] += strength * STRIPES
    return levels.astype(np.uint8)


def test_the_place_where_two_results_differ_is_found_to_a_few_pixels() -> None:
    (found,) = differing(GRAY, striped(90, 60), (40, 30), count=1, margin=8)
    assert abs(found.region.left - 90) <= 3
    assert abs(found.region.top - 60) <= 3
    assert found.region[2:] == (40, 30)


def test_the_stronger_of_two_differences_comes_first_and_both_regions_are_apart() -> None:
    after = np.maximum(striped(20, 20, 0.5), striped(100, 70))
    first, second = differing(GRAY, after, (40, 30), count=2, margin=4)
    assert first.score > second.score > 0
    assert abs(first.region.left - 100) < 8
    assert abs(second.region.left - 20) < 8


def test_as_many_regions_as_fit_never_meet() -> None:
    found = [each.region for each in differing(GRAY, striped(60, 40), (50, 40), count=20, margin=0)]
    assert 2 <= len(found) < 20
    covered = np.zeros(GRAY.shape[:2], int)
    for region in found:
        region.cut(covered)[...] += 1
    assert covered.max() == 1


def test_noise_that_is_everywhere_does_not_draw_the_eye_from_an_edge() -> None:
    noise = np.random.default_rng(0).normal(0, 12, GRAY.shape)
    after = (striped(100, 70, 0.6) + noise).clip(0, 255).astype(np.uint8)
    (found,) = differing(GRAY, after, (40, 30), count=1, margin=8)
    assert abs(found.region.left - 100) < 8
    assert abs(found.region.top - 70) < 8
    only_noise = (GRAY + noise).clip(0, 255).astype(np.uint8)
    # a Gaussian of deviation 1 leaves 1 / (4 pi) of the power of white noise
    power = 12**2 * np.square(LUMA).sum() / (4 * np.pi)
    assert difference_energy(GRAY, only_noise).mean() < 0.1 * power


def test_another_colour_all_over_is_no_difference_of_structure() -> None:
    assert difference_energy(GRAY, GRAY + 40).max() == pytest.approx(0, abs=1e-6)
    across, down = np.meshgrid(np.arange(160) - 80, np.arange(120) - 60)
    soft = 60 * np.exp(-(across**2 + down**2) / (2 * 20**2))[..., None]
    assert difference_energy(GRAY, (GRAY + soft).astype(np.uint8)).max() < 60**2 / 8


def test_a_picture_smaller_than_the_region_is_shown_whole() -> None:
    (found,) = differing(GRAY, striped(0, 0), (500, 400), count=2, margin=8)
    assert found.region == Region(0, 0, 160, 120)


def test_the_margin_is_kept_where_there_is_room() -> None:
    (found,) = differing(GRAY, striped(0, 0), (40, 30), count=1, margin=8)
    assert found.region[:2] == (8, 8)


def test_the_busiest_window_has_the_detail_and_no_more_than_the_area() -> None:
    window = busiest(striped(110, 80), area=160 * 120 // 9)
    assert window.width * window.height <= 160 * 120 // 9
    assert window.left <= 110 + 3
    assert window.left + window.width >= 150 - 3
    assert busiest(GRAY, area=160 * 120) == Region(0, 0, 160, 120)

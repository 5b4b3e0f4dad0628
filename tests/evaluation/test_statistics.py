"""What crops say of how they were taken, by closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from usrda_plugin.evaluation.statistics import CROP, block_steps, chroma_of, joined, photograph_statistics

LEVEL = 1 / 255


def white(seed: int = 0, levels: float = 10.0) -> torch.Tensor:
    """Gray noise around 1/2: (8, 3, 64, 64)."""
    noise = torch.randn(8, 1, CROP, CROP, generator=torch.Generator().manual_seed(seed))
    return (0.5 + levels * LEVEL * noise).expand(-1, 3, -1, -1)


def even(red: float, green: float, blue: float) -> torch.Tensor:
    """Crops of one colour."""
    return torch.tensor([red, green, blue])[:, None, None].expand(2, 3, CROP, CROP)


@pytest.mark.parametrize("start", range(8))
def test_steps_of_a_grid_are_found_wherever_it_begins(start: int) -> None:
    """A ramp of 2 levels a pixel, with 3 more at every eighth: 150 %."""
    slopes = 2 * LEVEL + 3 * LEVEL * (torch.arange(CROP) % 8 == start)
    ramp = slopes.cumsum(0)
    planes = ramp + ramp[:, None]
    assert block_steps(planes[None, None]).item() == pytest.approx(150, rel=1e-3)
    columns_alone = (ramp + 2 * LEVEL * torch.arange(CROP)[:, None])[None, None]
    assert block_steps(columns_alone).item() == pytest.approx(75, rel=1e-3)


def test_without_steps_there_is_no_grid() -> None:
    assert block_steps(torch.full((3, 2, CROP, CROP), 0.4)).tolist() == [0, 0, 0]
    assert photograph_statistics(white()).blocks[0] < 5


def test_white_noise_has_its_variance_at_all_frequencies_and_its_deviation_as_noise() -> None:
    found = photograph_statistics(white())
    np.testing.assert_allclose(found.spectrum[0], 100, rtol=0.3)
    assert found.spectrum.mean() == pytest.approx(100, rel=0.05)
    assert found.noise[0] == pytest.approx(10, rel=0.05)


def test_colour_and_saturation_of_an_even_colour() -> None:
    found = photograph_statistics(even(0.8, 0.4, 0.2))
    np.testing.assert_allclose(found.colour[0], [204, 102, 51], rtol=1e-5)
    luma = 0.299 * 204 + 0.587 * 102 + 0.114 * 51
    assert found.saturation[0] == pytest.approx(np.hypot((51 - luma) / 1.772, (204 - luma) / 1.402), rel=1e-4)


def test_gray_has_no_chroma_and_pure_blue_half_of_it() -> None:
    assert chroma_of(white()).abs().max() < 1e-6
    blue = chroma_of(even(0.0, 0.0, 1.0))
    assert blue[0, 0, 0, 0].item() == pytest.approx(0.5)


def test_squares_and_cells_are_a_row_for_each_and_photographs_stay_whole() -> None:
    first = photograph_statistics(white(0), lambda crops: crops.mean(dim=(2, 3)))
    second = photograph_statistics(white(1), lambda crops: crops.mean(dim=(2, 3)))
    both = joined([first, second])
    assert (len(both), both.squares.shape) == (2, (2, 32, 22))
    assert both.features is not None
    assert both.features.shape == (2, 8, 3)
    again = both.take([1, 1, 0])
    np.testing.assert_array_equal(again.squares[0], second.squares[0])
    np.testing.assert_array_equal(again.noise, np.concatenate([second.noise, second.noise, first.noise]))
    assert joined([photograph_statistics(white())]).features is None


def test_even_areas_give_numbers() -> None:
    found = photograph_statistics(even(0.0, 0.0, 0.0))
    assert all(np.isfinite(rows).all() for rows in (found.noise, found.spectrum, found.blocks, found.squares))

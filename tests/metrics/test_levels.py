"""Levels and luma are, bit by bit, those that BasicSR's metrics see."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from basicsr.metrics.metric_util import to_y_channel
from basicsr.utils import tensor2img

from usrda_plugin.metrics.levels import inside, levels_of, levels_of_picture, luma, picture_of


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_levels_are_those_of_tensor2img(channels: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    images = (1.4 * torch.rand(1, channels, 37, 53, generator=generator) - 0.2).to(dtype)
    assert np.array_equal(picture_of(levels_of(images)[0]), tensor2img([images]))


def test_halves_are_rounded_to_even_as_numpy_does() -> None:
    halves = (torch.arange(255) + 0.5) / 255
    images = halves.repeat(1, 3, 1, 1)
    assert np.array_equal(picture_of(levels_of(images)[0]), tensor2img([images]))


def test_levels_leave_the_image_as_it_was() -> None:
    images = torch.full((1, 3, 2, 2), 1.5)
    levels_of(images)
    assert (images == 1.5).all()


@pytest.mark.parametrize("shape", [(64, 81, 3), (64, 81, 1)])
def test_luma_has_every_bit_of_basicsrs(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert np.array_equal(luma(levels_of_picture(picture))[0, 0].numpy(), to_y_channel(picture)[..., 0])


def test_luma_is_bt601s_of_black_white_and_the_colours() -> None:
    colours = torch.tensor([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255]])
    levels = colours.T.reshape(1, 3, 1, 5).to(torch.uint8)
    assert luma(levels).flatten().tolist() == pytest.approx([16, 235, 16 + 65.481, 16 + 128.553, 16 + 24.966], abs=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_and_levels_are_two_ways_to_say_the_same(channels: int) -> None:
    levels = torch.randint(0, 256, (1, channels, 5, 7), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    picture = picture_of(levels[0])
    assert torch.equal(levels_of_picture(picture), levels)
    if channels == 3:
        assert torch.equal(levels_of_picture(picture.transpose(2, 0, 1), "CHW"), levels)


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(ValueError, match="Wrong input_order WHC"):
        levels_of_picture(np.zeros((4, 4, 3), np.uint8), "WHC")


def test_a_border_is_cut_off_each_side() -> None:
    levels = torch.arange(5 * 6).reshape(1, 1, 5, 6)
    assert inside(levels, 0) is levels
    assert inside(levels, 2).tolist() == [[[[14, 15]]]]

"""What is stored beneath full transparency never reaches what is seen."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from torch import Tensor, nn
from torch.nn import functional as F

from usrda_plugin.data.pictures import Picture
from usrda_plugin.inference import Upscaler, upscale_picture
from usrda_plugin.inference.upscaler import spread_visible_colours


class Cubic(nn.Module):
    """Mixes neighbours, and overshoots, as a trained network does."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="bicubic")


def disc() -> np.ndarray:
    rows, columns = np.mgrid[:40, :40] - 19.5
    return ((16 - np.hypot(rows, columns)).clip(0, 1) * 255).round().astype(np.uint8)


@pytest.mark.parametrize("alpha_by", ["network", "bicubic"])
@pytest.mark.parametrize("beneath", [0, 90])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("deep", [False, True])
def test_a_white_disc_laid_on_white_is_white(
    alpha_by: Literal["network", "bicubic"], beneath: int, channels: int, deep: bool
) -> None:
    alpha = disc()
    colour = np.where(alpha[..., None] > 0, 255, beneath).repeat(channels, 2).astype(np.uint8)
    if deep:
        colour, alpha = colour.astype(np.uint16) * 257, alpha.astype(np.uint16) * 257
    top = np.iinfo(colour.dtype).max
    picture = Picture(colour[..., 0] if channels == 1 else colour, alpha)
    result = upscale_picture(Upscaler(Cubic(), device="cpu"), picture, alpha_by)
    assert result.alpha is not None
    opacity = result.alpha.reshape(80, 80, 1) / top
    laid = result.colour.reshape(80, 80, -1) * opacity + top * (1 - opacity)
    assert laid.min() == pytest.approx(top)


def test_the_nearest_colour_that_is_seen_is_taken() -> None:
    colour = np.array([[[9, 9, 9], [1, 2, 3], [8, 8, 8], [7, 7, 7], [4, 5, 6]]], np.uint8)
    found = spread_visible_colours(colour, np.array([[0, 10, 0, 0, 255]], np.uint8))
    assert found.tolist() == [[[1, 2, 3], [1, 2, 3], [1, 2, 3], [4, 5, 6], [4, 5, 6]]]


@pytest.mark.parametrize("alpha", [0, 1, 255])
def test_where_all_or_nothing_is_seen_nothing_changes(alpha: int) -> None:
    colour = np.random.default_rng(0).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    assert spread_visible_colours(colour, np.full((5, 6), alpha, np.uint8)) is colour


class Veil(nn.Module):
    """Answers a flat area with levels beside it, as a trained network does."""

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2, mode="nearest") * 0.9 + 0.04


@pytest.mark.parametrize("deep", [False, True])
def test_what_is_fully_transparent_or_opaque_all_around_stays_so(deep: bool) -> None:
    alpha = disc().astype(np.uint16) * 257 if deep else disc()
    top = np.iinfo(alpha.dtype).max
    result = upscale_picture(Upscaler(Veil(), device="cpu"), Picture(np.full((40, 40, 3), 9, alpha.dtype), alpha))
    assert result.alpha is not None
    assert (result.alpha[:4] == 0).all()
    assert (result.alpha[30:50, 30:50] == top).all()
    rim = (alpha > 0) & (alpha < top)
    assert (result.alpha[::2, ::2][rim] > 0).all()

"""What a critic may look at: blur and noise live in the high band of luma, content and colour do not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

View = Literal["rgb", "luma", "rgb_high", "luma_high"]
HIGH_BAND_WINDOW = 7
# the high band of photographs has a standard deviation of a few hundredths; layers are initialised for inputs near 1
HIGH_BAND_GAIN = 10.0


def rgb(image: Tensor) -> Tensor:
    """All of it."""
    return image


def luma(image: Tensor) -> Tensor:
    """Luma of RGB in [0, 1] by ITU-R BT.601 weights: (B, 3, H, W) to (B, 1, H, W) in [0, 1]."""
    red, green, blue = torch.split(image, 1, dim=1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def local_mean(image: Tensor) -> Tensor:
    """The mean over 7x7 pixels around each, the low band; (B, C, H, W), borders mirrored."""
    margin = HIGH_BAND_WINDOW // 2
    padded = F.pad(image, [margin] * 4, mode="reflect")
    return F.avg_pool2d(padded, HIGH_BAND_WINDOW, stride=1)


def high_band(image: Tensor) -> Tensor:
    """An image minus its local mean over 7x7 pixels; (B, C, H, W), borders mirrored, values around 0."""
    return image - local_mean(image)


def rgb_high(image: Tensor) -> Tensor:
    """Ten times the high band of each colour: as ``luma_high``, and colour noise. (B, 3, H, W) to (B, 3, H, W)."""
    return HIGH_BAND_GAIN * high_band(image)


def luma_high(image: Tensor) -> Tensor:
    """Ten times the high band of luma: blur and noise, neither content nor colour. (B, 3, H, W) to (B, 1, H, W)."""
    return HIGH_BAND_GAIN * high_band(luma(image))


VIEWS: dict[View, Callable[[Tensor], Tensor]] = {
    "rgb": rgb,
    "luma": luma,
    "rgb_high": rgb_high,
    "luma_high": luma_high,
}

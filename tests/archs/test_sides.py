"""What sides a network takes, and images mirrored up to them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from usrda_plugin.archs.sides import Trial, mirrored, try_sides


class Windows(nn.Module):
    """Cuts images into windows, as transformers do, and enlarges them by ``scale``."""

    def __init__(self, *windows: int | tuple[int, int], scale: int = 2) -> None:
        super().__init__()
        self.scale = scale
        self.parts = nn.ModuleList(nn.Identity() for _ in windows)
        for part, window in zip(self.parts, windows, strict=True):
            part.window_size = window

    def forward(self, x: Tensor) -> Tensor:
        for part in self.parts:
            window = part.window_size if isinstance(part.window_size, int) else part.window_size[0]
            x = x.unflatten(-1, (-1, window)).flatten(-2)
        return interpolate(x, scale_factor=self.scale)


class UNet(nn.Module):
    """Folds and unfolds, so that the result of an odd side is smaller than the image."""

    def forward(self, x: Tensor) -> Tensor:
        return interpolate(max_pool2d(x, 4), scale_factor=4)


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (nn.Conv2d(3, 3, 3, padding=1), Trial(1, 1)),
        (UNet(), Trial(4, 1)),
        (Windows(7), Trial(7, 2)),
        (Windows((12, 12)), Trial(12, 2)),
        (Windows(6, 8, scale=3), Trial(24, 3)),
        (Windows(16), Trial(16, 2)),
    ],
    ids=["any", "folding", "7", "12", "6 and 8", "16"],
)
def test_the_smallest_multiple_is_found(network: nn.Module, expected: Trial) -> None:
    assert try_sides(network, torch.zeros(1, 3, 1, 1)) == expected


def test_what_takes_no_image_is_refused_with_its_reason() -> None:
    with pytest.raises(ValueError, match=r"expected input.* to have 3 channels"):
        try_sides(nn.Conv2d(3, 3, 3, padding=1), torch.zeros(1, 1, 1, 1))


@pytest.mark.parametrize("multiple", [1, 2, 5, 8, 32])
@pytest.mark.parametrize("size", [(5, 8), (1, 3), (2, 2), (16, 16), (1, 1)])
def test_images_are_mirrored_at_the_right_and_the_bottom(size: tuple[int, int], multiple: int) -> None:
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    beyond = [(0, -side % multiple) for side in size]
    assert np.array_equal(mirrored(image, multiple), np.pad(image.numpy(), ((0, 0), (0, 0), *beyond), mode="reflect"))

"""What metrics see of an image: 8-bit levels, a border cut off, perhaps luma alone, filtered in float64."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

LUMA = (65.481, 128.553, 24.966)
"""BT.601's weights of red, green and blue in [0, 1]; 16 comes on top."""


def levels_of(images: Tensor) -> Tensor:
    """The 8-bit levels of images in [0, 1], as BasicSR's ``tensor2img`` has them: clamped, halves rounded to even.

    Any shape and floating type; the result is uint8, on the same device.
    """
    return images.detach().float().clamp(0, 1).mul_(255).round_().to(torch.uint8)


def picture_of(levels: Tensor) -> np.ndarray:
    """Levels (C, H, W) in the order that OpenCV and BasicSR's numpy metrics want: HWC BGR, or HW of one channel."""
    array = levels.permute(1, 2, 0).contiguous().cpu().numpy()
    return array[..., 0] if array.shape[2] == 1 else cv2.cvtColor(array, cv2.COLOR_RGB2BGR)


def levels_of_picture(picture: np.ndarray, input_order: str = "HWC") -> Tensor:
    """A picture of BasicSR's numpy metrics, BGR or gray in [0, 255], as levels (1, C, H, W), RGB.

    Integers stay what they are; fractions are not rounded. Raises ValueError for an order other than HWC, CHW and HW.
    """
    if input_order not in ("HWC", "CHW", "HW"):
        raise ValueError(f"Wrong input_order {input_order}. Supported input_orders are 'HWC', 'CHW' and 'HW'")
    picture = picture if picture.dtype == np.uint8 else picture.astype(np.float64)
    gray, planes_first = picture.ndim == 2, input_order == "CHW"
    planes = picture[None] if gray else picture if planes_first else picture.transpose(2, 0, 1)
    return torch.from_numpy(planes[::-1].copy())[None]


def inside(levels: Tensor, crop_border: int) -> Tensor:
    """Levels (..., H, W) without ``crop_border`` pixels of each side."""
    return levels[..., crop_border:-crop_border, crop_border:-crop_border] if crop_border else levels


def compared(image: Tensor, reference: Tensor, crop_border: int) -> tuple[Tensor, Tensor]:
    """What is compared of an image and its ground truth, levels (B, C, H, W): both without the border.

    Raises ValueError where they differ in shape.
    """
    if image.shape != reference.shape:
        sizes = " and ".join("x".join(map(str, levels.shape[1:])) for levels in (image, reference))
        raise ValueError(f"expected an image of its ground truth's size, found channels x height x width {sizes}")
    return inside(image, crop_border), inside(reference, crop_border)


def luma(levels: Tensor) -> Tensor:
    """Luma (B, 1, H, W) of RGB levels, in [16, 235]; a single channel is itself. Rounded to fp32 where BasicSR's is.

    So equal pixels stay equal, and a mean over tiny differences has BasicSR's digits.
    """
    # by way of float64, as a GPU divides fp32 by a number less exactly than a CPU
    unit = levels.float().double().div_(255).float()
    if levels.shape[1] == 3:
        red, green, blue = unit.double().split(1, dim=1)
        weighted = red.mul_(LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])
        unit = weighted.add_(16).div_(255).float()
    return unit.mul_(255)


def filtered(planes: Tensor, weights: Sequence[float], step: int = 1) -> Tensor:
    """Correlate columns and rows of (..., H, W) with ``weights``, where they lie wholly inside, at each ``step``-th.

    float64, whatever the planes are: convolutions of a GPU may round to ten bits.
    """
    planes = planes.double()
    for axis in (-2, -1):
        planes = _filtered_along(planes, axis, weights, step)
    return planes


def _filtered_along(planes: Tensor, axis: int, weights: Sequence[float], step: int) -> Tensor:
    count = planes.shape[axis] - len(weights) + 1
    shifted = [planes.narrow(axis, offset, count) for offset in range(len(weights))]
    if step > 1:
        shifted = [planes[..., ::step, :] if axis == -2 else planes[..., ::step] for planes in shifted]
    total = shifted[0] * weights[0]
    for planes, weight in zip(shifted[1:], weights[1:], strict=True):
        total.add_(planes, alpha=weight)
    return total

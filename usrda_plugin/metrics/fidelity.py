"""PSNR and SSIM against the ground truth, on the device; values as BasicSR's ``calculate_psnr`` and ``_ssim``."""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from usrda_plugin.metrics.filtering import filtered
from usrda_plugin.metrics.levels import compared, levels_of_picture, luma
from usrda_plugin.metrics.table import in_tensors

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
WINDOW = 11
"""Side of SSIM's Gaussian window, in pixels."""


def psnr(image: Tensor, reference: Tensor, crop_border: int, test_y_channel: bool = False) -> Tensor:
    """Peak signal-to-noise ratio in dB, (B,) float64, of levels (B, C, H, W), RGB in [0, 255]; inf where equal.

    Raises ValueError where image and reference differ in shape.
    """
    image, reference = _compared(image, reference, crop_border, test_y_channel)
    error = (image.double() - reference.double()).square().mean(dim=(1, 2, 3))
    return 10 * torch.log10(255**2 / error)


def ssim(image: Tensor, reference: Tensor, crop_border: int, test_y_channel: bool = False) -> Tensor:
    """Structural similarity, (B,) float64, of levels (B, C, H, W), RGB in [0, 255]; nan below 11 pixels a side.

    Raises ValueError where image and reference differ in shape.
    """
    image, reference = _compared(image, reference, crop_border, test_y_channel)
    if min(image.shape[-2:]) < WINDOW:
        return image.new_full((len(image),), torch.nan, dtype=torch.float64)
    # channel by channel, which a CPU's cache holds
    channels = zip(image.double().unbind(1), reference.double().unbind(1), strict=True)
    return torch.stack([_similarity(x, y) for x, y in channels]).mean(dim=0)


def _similarity(x: Tensor, y: Tensor) -> Tensor:
    """The structural similarity of planes (B, H, W), float64."""
    mean_x, mean_y, products, squares = (filtered(planes, _window()) for planes in (x, y, x * y, x * x + y * y))
    product_of_means, squares_of_means = mean_x * mean_y, mean_x.square() + mean_y.square()
    luminance = (2 * product_of_means + C1) / (squares_of_means + C1)
    structure = (2 * (products - product_of_means) + C2) / (squares - squares_of_means + C2)
    return (luminance * structure).mean(dim=(1, 2))


@in_tensors(psnr, stands_for="calculate_psnr")
def calculate_usrda_psnr(
    img: np.ndarray,
    img2: np.ndarray,
    crop_border: int,
    input_order: str = "HWC",
    test_y_channel: bool = False,
    **kwargs: Any,
) -> float:
    """Return BasicSR's ``calculate_psnr``, in dB; arguments as there, BGR or gray in [0, 255]."""
    image, reference = (levels_of_picture(picture, input_order) for picture in (img, img2))
    return psnr(image, reference, crop_border, test_y_channel).item()


@in_tensors(ssim, stands_for="calculate_ssim")
def calculate_usrda_ssim(
    img: np.ndarray,
    img2: np.ndarray,
    crop_border: int,
    input_order: str = "HWC",
    test_y_channel: bool = False,
    **kwargs: Any,
) -> float:
    """Return BasicSR's ``calculate_ssim``, faster; arguments as there, BGR or gray in [0, 255]."""
    image, reference = (levels_of_picture(picture, input_order) for picture in (img, img2))
    return ssim(image, reference, crop_border, test_y_channel).item()


def _compared(image: Tensor, reference: Tensor, crop_border: int, test_y_channel: bool) -> tuple[Tensor, Tensor]:
    image, reference = compared(image, reference, crop_border)
    return (luma(image), luma(reference)) if test_y_channel else (image, reference)


@cache
def _window() -> tuple[float, ...]:
    return tuple(cv2.getGaussianKernel(WINDOW, 1.5).ravel().tolist())

"""PSNR, SSIM and the shift of colours against the ground truth, on the device; PSNR and SSIM as BasicSR's."""

from __future__ import annotations

from functools import cache
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from usrda_plugin.metrics.levels import compared, filtered, levels_of_picture, luma
from usrda_plugin.metrics.registry import register_metric

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


def colour_shift(image: Tensor, reference: Tensor, crop_border: int) -> Tensor:
    """The mean over the channels of |mean of the image - mean of the reference| (lower is better), (B,) float64.

    In 8-bit levels, of levels (B, C, H, W), RGB in [0, 255]. Raises ValueError where image and reference differ in
    shape.
    """
    image, reference = compared(image, reference, crop_border)
    drift = image.double().mean(dim=(2, 3)) - reference.double().mean(dim=(2, 3))
    return drift.abs().mean(dim=1)


def _similarity(x: Tensor, y: Tensor) -> Tensor:
    """The structural similarity of planes (B, H, W), float64."""
    mean_x, mean_y, products, squares = (filtered(planes, _window()) for planes in (x, y, x * y, x * x + y * y))
    product_of_means, squares_of_means = mean_x * mean_y, mean_x.square() + mean_y.square()
    luminance = (2 * product_of_means + C1) / (squares_of_means + C1)
    structure = (2 * (products - product_of_means) + C2) / (squares - squares_of_means + C2)
    return (luminance * structure).mean(dim=(1, 2))


@register_metric(psnr, stands_for="calculate_psnr")
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


@register_metric(ssim, stands_for="calculate_ssim")
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


@register_metric(colour_shift)
def calculate_usrda_colour_shift(
    img: np.ndarray, img2: np.ndarray, crop_border: int, input_order: str = "HWC", **kwargs: Any
) -> float:
    """Return the shift of the mean colour in 8-bit levels (lower is better).

    Arguments as BasicSR's ``calculate_psnr``, BGR or gray in [0, 255].
    """
    image, reference = (levels_of_picture(picture, input_order) for picture in (img, img2))
    return colour_shift(image, reference, crop_border).item()


def _compared(image: Tensor, reference: Tensor, crop_border: int, test_y_channel: bool) -> tuple[Tensor, Tensor]:
    image, reference = compared(image, reference, crop_border)
    return (luma(image), luma(reference)) if test_y_channel else (image, reference)


@cache
def _window() -> tuple[float, ...]:
    return tuple(cv2.getGaussianKernel(WINDOW, 1.5).ravel().tolist())

"""LPIPS, the perceptual distance that was learnt from people's judgements, by torchmetrics' network."""

from __future__ import annotations

import warnings
from functools import cache
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from usrda_plugin.metrics.alexnet import fetch_alexnet_weights, read_alexnet
from usrda_plugin.metrics.levels import compared, levels_of_picture
from usrda_plugin.metrics.table import in_tensors

SMALLEST = 31
"""Pixels a side that AlexNet needs: of fewer its second pooling leaves none."""


@torch.no_grad()
def lpips(image: Tensor, reference: Tensor, crop_border: int, weights: str | None = None) -> Tensor:
    """LPIPS v0.1 of AlexNet (lower is better), (B,) float64, of levels (B, C, H, W), RGB or gray in [0, 255].

    ``weights``: AlexNet's, searched as ``find_alexnet_weights`` says. nan below 31 pixels a side. Raises ValueError
    where image and reference differ in shape, or where there are no weights.
    """
    image, reference = compared(image, reference, crop_border)
    if min(image.shape[-2:]) < SMALLEST:
        return image.new_full((len(image),), torch.nan, dtype=torch.float64)
    network = _network(fetch_alexnet_weights(weights), image.device)
    cudnn = torch.backends.cudnn
    # TF32 would leave three digits; what is not named here would be set to defaults, of which one switches cuDNN off
    with cudnn.flags(
        enabled=cudnn.enabled, benchmark=cudnn.benchmark, deterministic=cudnn.deterministic, allow_tf32=False
    ):
        distance: Tensor = network(image.float() / 255, reference.float() / 255, normalize=True)
    return distance.flatten().double()


@in_tensors(lpips)
def calculate_usrda_lpips(
    img: np.ndarray,
    img2: np.ndarray,
    crop_border: int,
    input_order: str = "HWC",
    weights: str | None = None,
    **kwargs: Any,
) -> float:
    """Return LPIPS v0.1 of AlexNet (lower is better), or nan and a warning below 31 pixels a side.

    Arguments as BasicSR's ``calculate_psnr``, BGR or gray in [0, 255]; ``weights`` as ``lpips`` has them.
    """
    image, reference = (levels_of_picture(picture, input_order) for picture in (img, img2))
    value = lpips(image, reference, crop_border, weights).item()
    if isnan(value):
        size = "x".join(map(str, image.shape[-2:]))
        warnings.warn(
            f"LPIPS is not defined here, so it is nan: of {size} pixels, {crop_border} cut off each side, fewer than"
            f" {SMALLEST} a side are left",
            stacklevel=2,
        )
    return value


@cache
def _network(file: Path, device: torch.device) -> nn.Module:
    # an import of a second, for those who measure LPIPS
    from torchmetrics.functional.image.lpips import _NoTrainLpips

    # the public class downloads AlexNet whenever it is built; this one takes random weights, drawn where no run notices
    with torch.random.fork_rng(devices=()):
        network = _NoTrainLpips(net="alex", pnet_rand=True)
    convolutions = read_alexnet(file)
    # slice2.3.bias is torchvision's features.3.bias
    network.net.load_state_dict({name: convolutions[name.partition(".")[2]] for name in network.net.state_dict()})
    return network.to(device)

"""LPIPS, the perceptual distance that was learnt from people's judgements, by torchmetrics' network.

AlexNet's weights are a file that is named, or torchvision's own, downloaded once into torch hub's cache.
"""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import redirect_stdout
from functools import cache
from http.client import HTTPException
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models import AlexNet_Weights, alexnet

from usrda_plugin.metrics.levels import compared, levels_of_picture
from usrda_plugin.metrics.registry import register_metric
from usrda_plugin.weights import read_tensors

ENVIRONMENT = "USRDA_ALEXNET_WEIGHTS"
URL: str = AlexNet_Weights.IMAGENET1K_V1.url
REMEDY = f"give torchvision's alexnet, full or features only, by the metric's option weights or by ${ENVIRONMENT}"
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


@register_metric(lpips)
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


def find_alexnet_weights(weights: str | None = None) -> Path | None:
    """The file that ``weights`` names, else the one that $USRDA_ALEXNET_WEIGHTS names, else that of torch hub's cache.

    None where nothing is named and the cache has none. Raises ValueError where the named file does not exist.
    """
    named = weights or os.environ.get(ENVIRONMENT)
    file = Path(named).expanduser() if named else place_in_cache()
    if file.is_file():
        return file
    if not named:
        return None
    found = "a folder" if file.is_dir() else "no such file"
    place = file if weights else f"{file} (${ENVIRONMENT})"
    raise ValueError(f"LPIPS needs the weights of AlexNet: expected them in {place}, found {found}; {REMEDY}")


def fetch_alexnet_weights(weights: str | None = None) -> Path:
    """As ``find_alexnet_weights``, but torchvision's file is downloaded where there is none, and its SHA-256 checked.

    Raises ValueError where that fails.
    """
    found = find_alexnet_weights(weights)
    if found is not None:
        return found
    try:
        with redirect_stdout(sys.stderr):  # torch announces a download on either, by its version
            torch.hub.load_state_dict_from_url(
                URL, map_location="cpu", progress=False, check_hash=True, weights_only=True
            )
    except (OSError, HTTPException, RuntimeError) as error:
        raise ValueError(
            f"LPIPS needs the weights of AlexNet: expected them in {place_in_cache()}, found no such file, and"
            f" {URL} cannot be downloaded ({error}); {REMEDY}"
        ) from error
    return place_in_cache()


def place_in_cache() -> Path:
    """Where torch hub keeps torchvision's file."""
    return Path(torch.hub.get_dir()) / "checkpoints" / URL.rpartition("/")[2]


def read_alexnet(file: Path) -> dict[str, Tensor]:
    """The weights of AlexNet's five convolutions in float32, by their names in torchvision's ``features``: ``0.bias``.

    The file's may have any floating type. Raises ValueError where it holds others, code, or no weights at all.
    """
    tensors = {key: value for key, value in read_tensors(file).items() if isinstance(value, Tensor)}
    # on no device: of the network only the names and shapes are wanted
    with torch.device("meta"):
        expected = alexnet(weights=None).features.state_dict()
    for key, value in expected.items():
        found = tensors.get(f"features.{key}")
        if found is None or found.shape != value.shape:
            shape = f"of shape {tuple(found.shape)}" if found is not None else "missing"
            wanted = f"features.{key} of shape {tuple(value.shape)}"
            raise ValueError(f"{file}: expected {wanted}, as torchvision's alexnet has it, found it {shape}")
    return {key: tensors[f"features.{key}"].float() for key in expected}


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

"""AlexNet's weights for LPIPS: a file that is named, or torchvision's own, downloaded once into torch hub's cache."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from http.client import HTTPException
from pathlib import Path

import torch
from torch import Tensor
from torchvision.models import AlexNet_Weights, alexnet

from usrda_plugin.weights import read_tensors

ENVIRONMENT = "USRDA_ALEXNET_WEIGHTS"
URL: str = AlexNet_Weights.IMAGENET1K_V1.url
REMEDY = f"give torchvision's alexnet, full or features only, by the metric's option weights or by ${ENVIRONMENT}"


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

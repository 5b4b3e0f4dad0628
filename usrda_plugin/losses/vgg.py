"""VGG weights for perceptual losses: found on disk, never downloaded in the middle of a start."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import vgg

from usrda_plugin.weights import read_tensors

ENVIRONMENT = "USRDA_VGG_WEIGHTS"
NAMES = ("{vgg_type}_features.pth", "{vgg_type}-dcbb9e9d.pth", "{vgg_type}.pth")
_preferred: list[str] = []


@contextmanager
def preferred_vgg(vgg_path: str | None) -> Iterator[None]:
    """While open, ``find_vgg_weights`` looks at this file first: BasicSR's feature extractor has no argument for it."""
    _preferred.extend([vgg_path] if vgg_path else [])
    try:
        yield
    finally:
        _preferred.clear()


def find_vgg_weights(vgg_type: str = "vgg19", vgg_path: str | None = None) -> Path:
    """The file with the weights of a torchvision VGG, full or features only.

    Looks at ``vgg_path`` (if given, nowhere else), $USRDA_VGG_WEIGHTS, ``experiments/pretrained_models`` and torch
    hub's folder.
    Raises FileNotFoundError with the places looked at and the remedy.
    """
    asked = vgg_path or next(iter(_preferred), None)
    places = [Path(asked).expanduser()] if asked else _usual_places(vgg_type)
    for place in places:
        if place.is_file():
            return place
    looked = "".join(f"\n    {place}" for place in places)
    raise FileNotFoundError(
        f"the perceptual loss needs the weights of {vgg_type}, full or features only; looked for{looked}\n"
        f"  give the file by perceptual_opt: vgg_path (USRDAPerceptualLoss) or by ${ENVIRONMENT}, put it in one of"
        " these places, or switch the loss off by removing perceptual_opt"
    )


def _usual_places(vgg_type: str) -> list[Path]:
    folders = [Path("experiments/pretrained_models"), Path(torch.hub.get_dir()) / "checkpoints"]
    places = [folder / name.format(vgg_type=vgg_type) for folder in folders for name in NAMES]
    from_environment = os.environ.get(ENVIRONMENT)
    return [Path(from_environment).expanduser(), *places] if from_environment else places


def load_vgg(vgg_type: str, file: Path) -> nn.Module:
    """A torchvision VGG with the convolutions of ``file`` (torchvision's key names; any floating type becomes float32).

    Raises ValueError where the file holds other layers, or no weights at all.
    """
    weights = {key: value for key, value in read_tensors(file).items() if isinstance(value, Tensor)}
    features = {key: value.float() for key, value in weights.items() if key.startswith("features.")}
    # built without memory for its classifier, which no perceptual loss reads and features-only files lack
    with torch.device("meta"):
        network = vgg.__dict__[vgg_type](weights=None)
    network.classifier = nn.Identity()
    network.features.to_empty(device="cpu")
    try:
        network.features.load_state_dict({key.removeprefix("features."): value for key, value in features.items()})
    except RuntimeError as difference:
        raise ValueError(
            f"{file}: expected the convolutions of torchvision's {vgg_type}, found others: {difference}"
        ) from None
    loaded: nn.Module = network
    return loaded

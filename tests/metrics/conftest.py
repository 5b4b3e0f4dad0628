"""Pictures that metrics are compared on (BGR uint8, as BasicSR reads them), and networks that have learnt nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage
import torch
from scipy.ndimage import gaussian_filter
from torchvision.models import alexnet

Picture = Callable[[str], np.ndarray]


@pytest.fixture(scope="session")
def photograph() -> Picture:
    """A photograph that comes with scikit-image."""

    def read(name: str) -> np.ndarray:
        return cv2.imread(str(Path(skimage.__file__).parent / "data" / name))

    return read


@pytest.fixture(scope="session")
def textured() -> np.ndarray:
    """Clouds, 205x301."""
    rough = gaussian_filter(np.random.default_rng(0).normal(size=(205, 301, 3)), (1.5, 1.5, 0))
    return (128 + 400 * rough).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def alexnet_in() -> Callable[..., Path]:
    """Writes AlexNet's convolutions with random weights to a file: what a user has, without what it has learnt."""

    def scale_of(shape: torch.Size) -> float:
        return (2 / shape[1:].numel()) ** 0.5 if len(shape) > 1 else 0.1

    def write(file: Path, dtype: torch.dtype = torch.float16, further: dict[str, torch.Tensor] | None = None) -> Path:
        generator = torch.Generator().manual_seed(0)
        with torch.device("meta"):
            shapes = {key: value.shape for key, value in alexnet(weights=None).features.state_dict().items()}
        weights = {
            f"features.{key}": (torch.randn(shape, generator=generator) * scale_of(shape)).to(dtype)
            for key, shape in shapes.items()
        }
        torch.save({**weights, **(further or {})}, file)
        return file

    return write


@pytest.fixture(scope="session")
def random_alexnet(alexnet_in: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of AlexNet's convolutions with random weights."""
    return alexnet_in(tmp_path_factory.mktemp("alexnet") / "alexnet.pth")

"""Photographs for the tests, written as cameras and programs write them."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from basicsr.archs.rrdbnet_arch import RRDBNet
from PIL import Image

from tests.adaptation.scenes import scene

Save = Callable[..., Path]
SMALL = {"num_in_ch": 3, "num_out_ch": 3, "num_feat": 8, "num_block": 1, "num_grow_ch": 4}


@pytest.fixture
def rrdbnet(tmp_path: Path) -> Callable[[int], Path]:
    """A file of a small RRDBNet of a scale, as BasicSR writes it."""

    def write(scale: int) -> Path:
        torch.manual_seed(0)
        file = tmp_path / f"rrdbnet_x{scale}.pth"
        torch.save({"params": RRDBNet(scale=scale, **SMALL).state_dict()}, file)
        return file

    return write


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write a scene, or levels, under a name below the test's folder, with EXIF where it is given."""

    def save(
        name: str, levels: np.ndarray | int = 0, exif: dict[int, Any] | None = None, kind: str = "", **how: Any
    ) -> Path:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(scene(levels) if isinstance(levels, int) else levels)
        if exif:
            how["exif"] = exif_block(exif)
        buffer = BytesIO()
        image.save(buffer, kind or {".png": "PNG", ".tif": "TIFF"}.get(file.suffix.lower(), "JPEG"), **how)
        file.write_bytes(buffer.getvalue())
        return file

    return save


def exif_block(tags: dict[int, Any]) -> Image.Exif:
    """A block of EXIF; lens and sensitivity lie in a directory of their own."""
    block = Image.Exif()
    inner = {tag: value for tag, value in tags.items() if tag >= 0x8800}
    for tag in tags.keys() - inner.keys():
        block[tag] = tags[tag]
    if inner:
        block.get_ifd(0x8769).update(inner)
    return block

"""Photographs for the tests, written as cameras and programs write them."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.adaptation.scenes import scene

Save = Callable[..., Path]


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

"""Pillow's decoders: for all formats that are not read by a way of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
from PIL import Image

from usrda_plugin.data.pictures.picture import Header, Planes
from usrda_plugin.data.pictures.quiet import without_warnings
from usrda_plugin.data.pictures.refusal import Refused, damaged, not_levels, unread
from usrda_plugin.data.pictures.tags import orientation_of


@contextmanager
def opened(file: IO[bytes], kind: str) -> Iterator[Image.Image]:
    """Open a file as a ``kind``, as Pillow calls it, of whatever size. Raises Refused where Pillow stumbles."""
    Image.init()
    # by its factory, since Image.open takes large photographs for an attack
    factory = Image.OPEN[kind][0]
    try:
        with without_warnings(), factory(file, "") as image:
            yield image
    except (Refused, MemoryError):
        raise
    except Exception as error:  # a damaged file may make Pillow's readers stumble in any way
        raise damaged(kind, str(error)) from None


def look(file: IO[bytes], kind: str) -> Header:
    """Read the header of a file whose levels have 8 bits."""
    with opened(file, kind) as image:
        return Header(kind, image.height, image.width, orientation_of(image.info.get("exif") or b""))


def planes(file: IO[bytes], kind: str) -> Planes:
    """Decode the first frame. Raises Refused for what is damaged or of a colour model that is not read."""
    with opened(file, kind) as image:
        mode = image.mode
        found = planes_of(image)
    if found is None:
        raise not_levels("32 bit ones") if mode in ("I", "F") else unread(f"a {kind} of the colour model {mode}")
    return found


def planes_of(image: Image.Image) -> Planes | None:
    """Split what Pillow has decoded; None for a colour model that is none of ours."""
    image.load()
    if image.has_transparency_data and image.mode not in ("LA", "RGBA"):
        image = image.convert("LA" if image.mode in ("1", "L", "La") else "RGBA")
    elif image.mode in ("P", "CMYK"):
        image = image.convert("RGB")
    elif image.mode == "1":
        image = image.convert("L")
    levels: Any = np.asarray(image)
    if image.mode.startswith("I;16"):
        return Planes(levels.astype(np.uint16))
    if image.mode in ("L", "RGB"):
        return Planes(levels)
    if image.mode in ("LA", "RGBA"):
        colour = levels[..., 0] if image.mode == "LA" else levels[..., :3]
        return Planes(np.ascontiguousarray(colour), np.ascontiguousarray(levels[..., -1]))
    return None

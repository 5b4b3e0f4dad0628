"""Seams for reading images: BasicSR's data sets read as ours do, and what cannot be read is named."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import cv2
import numpy as np

from usrda_plugin.compat.record import replace, replace_everywhere


class NamedBytes(bytes):
    """The bytes of a file, with the path or LMDB key that they were read from."""

    source: str = "image"


def read_images_as_ours() -> bool:
    """Decode as our data sets do, and name the file where BasicSR goes on with ``None`` or other levels."""
    replace(import_module("basicsr.utils.file_client").FileClient, "get", _with_source)
    return replace_everywhere(import_module("basicsr.utils.img_util"), "imfrombytes", _by_our_reader)


def _with_source(original: Callable[..., Any]) -> Callable[..., Any]:
    def get(self: Any, filepath: str, client_key: str = "default") -> Any:
        content = original(self, filepath, client_key)
        if not isinstance(content, bytes):
            return content
        named = NamedBytes(content)
        named.source = str(filepath)
        return named

    return get


def _by_our_reader(original: Callable[..., Any]) -> Callable[..., Any]:
    def imfrombytes(content: bytes, flag: str = "color", float32: bool = False) -> Any:
        levels = _LEVELS[flag](content, getattr(content, "source", "image"))
        # as BasicSR divides, whose arithmetic is kept to the last bit
        return levels.astype(np.float32) / np.iinfo(levels.dtype).max if float32 else levels

    return imfrombytes


def _colour(content: bytes, source: str) -> np.ndarray:
    """8 bits, BGR, alpha dropped."""
    levels = import_module("usrda_plugin.data.pictures").decode_colour(content, source, cv2.IMREAD_COLOR_BGR)
    as_8_bit: Callable[[np.ndarray], np.ndarray] = import_module("usrda_plugin.data.pictures").as_8_bit
    return as_8_bit(levels)


def _gray(content: bytes, source: str) -> np.ndarray:
    """8 bits of gray."""
    return cv2.cvtColor(_colour(content, source), cv2.COLOR_BGR2GRAY)


def _unchanged(content: bytes, source: str) -> np.ndarray:
    """As many bits and channels as there are: gray, BGR or BGRA."""
    picture = import_module("usrda_plugin.data.pictures").decode_picture(content, source)
    colour: np.ndarray = picture.colour
    if picture.alpha is None:
        return colour if colour.ndim == 2 else cv2.cvtColor(colour, cv2.COLOR_RGB2BGR)
    colour = colour if colour.ndim == 3 else np.dstack([colour] * 3)
    return np.dstack([colour[..., ::-1], picture.alpha])


_LEVELS: dict[str, Callable[[bytes, str], np.ndarray]] = {
    "color": _colour,
    "grayscale": _gray,
    "unchanged": _unchanged,
}

"""Seams for reading images: what cannot be decoded is named."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import cv2

from usrda_plugin.runner.seams.record import replace, replace_everywhere


class NamedBytes(bytes):
    """The bytes of a file, with the path or LMDB key that they were read from."""

    source: str = "image"


def name_undecodable_images() -> bool:
    """Raise a ValueError that names the file where BasicSR goes on with ``None``."""
    replace(import_module("basicsr.utils.file_client").FileClient, "get", _with_source)
    return replace_everywhere(import_module("basicsr.utils.img_util"), "imfrombytes", _or_named_error)


def _with_source(original: Callable[..., Any]) -> Callable[..., Any]:
    def get(self: Any, filepath: str, client_key: str = "default") -> Any:
        content = original(self, filepath, client_key)
        if not isinstance(content, bytes):
            return content
        named = NamedBytes(content)
        named.source = str(filepath)
        return named

    return get


def _or_named_error(original: Callable[..., Any]) -> Callable[..., Any]:
    def imfrombytes(content: bytes, flag: str = "color", float32: bool = False) -> Any:
        try:
            image = original(_whole(content), flag=flag, float32=float32)
        except (AttributeError, cv2.error):
            image = None
        if image is None:
            source = getattr(content, "source", "image")
            raise ValueError(
                f"{source}: expected an image that OpenCV can decode, found {len(content)} bytes that are none;"
                " remove the file or replace it"
            )
        return image

    return imfrombytes


def _whole(content: bytes) -> bytes:
    """What is to be decoded so that it gives what our data sets see: without the parts that OpenCV gets wrong."""
    decoding = import_module("usrda_plugin.data.decoding")
    source = getattr(content, "source", "image")
    decoding.refuse_cut_off(lambda start, stop: content[start:stop], len(content), source)
    straight = decoding.straight_tiff(content)
    return content if straight is None else import_module("usrda_plugin.data.encoding").encode(straight[..., :3], "png")

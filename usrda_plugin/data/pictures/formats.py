"""The formats that are read: how each is told, looked at and decoded."""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import IO, NamedTuple

import numpy as np

from usrda_plugin.data.pictures import containers, jpeg, pillow, png, pnm, tiff
from usrda_plugin.data.pictures.opencv import refuse_large
from usrda_plugin.data.pictures.picture import Header, Planes
from usrda_plugin.data.pictures.refusal import cut_off, foreign
from usrda_plugin.data.pictures.tags import Read

HEAD = 512
"""Bytes by which a file is told."""

Content = bytes | memoryview


class Format(NamedTuple):
    """One format: what it begins with, its header, and its planes; ``quick`` where OpenCV may read it for training."""

    start: re.Pattern[bytes]
    look: Callable[[IO[bytes], Read, int], Header]
    planes: Callable[[Content, Header], Planes]
    quick: Callable[[Content, Header, int], np.ndarray | None] | None = None


def header_of(file: IO[bytes]) -> tuple[Format, Header]:
    """Tell the format of a file by its content and read its header.

    Raises Refused for what is empty, cut off, none of the formats that are read, or larger than OpenCV takes.
    """
    length = file.seek(0, io.SEEK_END)

    def read(start: int, stop: int) -> bytes:
        file.seek(start)
        return file.read(max(stop - start, 0))

    head = read(0, HEAD)
    found = next((one for one in _FORMATS if one.start.match(head)), None)
    if found is None:
        raise foreign(head, read(max(length - HEAD, 0), length))
    try:
        header = found.look(file, read, length)
    except (struct.error, IndexError, OverflowError):  # it ends where its header should go on
        raise cut_off("file") from None
    refuse_large(header.height, header.width)
    return found, header


def _by_reads(look: Callable[[Read, int], Header]) -> Callable[[IO[bytes], Read, int], Header]:
    return lambda file, read, length: look(read, length)


def _by_pillow(kind: str, refuse_cut: Callable[[Read, int], None]) -> Callable[[IO[bytes], Read, int], Header]:
    def look(file: IO[bytes], read: Read, length: int) -> Header:
        refuse_cut(read, length)
        file.seek(0)
        return pillow.look(file, kind)

    return look


def _planes_by_pillow(content: Content, header: Header) -> Planes:
    return pillow.planes(BytesIO(content), header.format)


def _jpeg(file: IO[bytes], read: Read, length: int) -> Header:
    if not jpeg.has_end(read, length):
        raise cut_off("JPEG")
    return jpeg.look(read, length)


def _png(file: IO[bytes], read: Read, length: int) -> Header:
    if not png.has_end(read, length):
        raise cut_off("PNG")
    return png.look(read, length)


def _jpeg2000(file: IO[bytes], read: Read, length: int) -> Header:
    containers.refuse_cut_jpeg2000(read, length)
    return containers.look_jpeg2000(file)


_start = partial(re.compile, flags=re.DOTALL)
_FORMATS: tuple[Format, ...] = (
    Format(_start(rb"\x89PNG\r\n\x1a\n"), _png, png.planes, png.quick),
    Format(_start(rb"\xff\xd8\xff"), _jpeg, jpeg.planes, jpeg.quick),
    Format(_start(rb"II[*+]\0|MM\0[*+]"), _by_reads(tiff.look), tiff.planes),
    Format(_start(rb"P[1-6][\s#]"), _by_reads(pnm.look), pnm.planes),
    Format(_start(rb"RIFF....WEBP"), _by_pillow("WEBP", containers.refuse_cut_webp), _planes_by_pillow),
    Format(_start(rb"BM"), _by_pillow("BMP", containers.refuse_cut_bmp), _planes_by_pillow),
    Format(_start(rb"GIF8[79]a"), _by_pillow("GIF", containers.refuse_cut_gif), _planes_by_pillow),
    Format(_start(rb"....ftypavi[fs]"), _by_pillow("AVIF", containers.refuse_cut_avif), _planes_by_pillow),
    Format(_start(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"), _jpeg2000, containers.planes_jpeg2000),
)

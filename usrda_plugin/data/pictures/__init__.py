"""What a picture is: the one reader and writer of image files, for training, BasicSR's data sets and upscaling."""

from __future__ import annotations

from usrda_plugin.data.pictures.formats import decode_colour, decode_picture, read_picture, upright_size
from usrda_plugin.data.pictures.metadata import left_out
from usrda_plugin.data.pictures.picture import Metadata, Picture, RangeFile, UnreadableError, as_8_bit, as_unit
from usrda_plugin.data.pictures.pnm import uncompressed
from usrda_plugin.data.pictures.writing import (
    COMPRESSION,
    ENCODINGS,
    LOSSY,
    WRITTEN,
    check_size,
    encode_colour,
    write_picture,
)

__all__ = [
    "COMPRESSION",
    "ENCODINGS",
    "LOSSY",
    "WRITTEN",
    "Metadata",
    "Picture",
    "RangeFile",
    "UnreadableError",
    "as_8_bit",
    "as_unit",
    "check_size",
    "decode_colour",
    "decode_picture",
    "encode_colour",
    "left_out",
    "read_picture",
    "uncompressed",
    "upright_size",
    "write_picture",
]

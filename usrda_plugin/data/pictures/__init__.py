"""What a picture is: the one reader and writer of image files, for training, BasicSR's data sets and upscaling."""

from __future__ import annotations

from usrda_plugin.data.pictures.picture import Metadata, Picture
from usrda_plugin.data.pictures.pnm import uncompressed
from usrda_plugin.data.pictures.reading import View, decode_colour, decode_picture, read_picture, upright_size
from usrda_plugin.data.pictures.refusal import UnreadableError
from usrda_plugin.data.pictures.writing import LOSSY, WRITTEN, check_size, left_out, write_picture

__all__ = [
    "LOSSY",
    "WRITTEN",
    "Metadata",
    "Picture",
    "UnreadableError",
    "View",
    "check_size",
    "decode_colour",
    "decode_picture",
    "left_out",
    "read_picture",
    "uncompressed",
    "upright_size",
    "write_picture",
]

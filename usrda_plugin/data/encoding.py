"""Arrays to image bytes: PNG, or PPM, which need not be decoded."""

from __future__ import annotations

from typing import get_args

import cv2
import numpy as np

from usrda_plugin.choices import Encoding

ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)
COMPRESSION: dict[Encoding, int] = {"ppm": 0, "png": 1}
"""The zlib level, as BasicSR's ``meta_info.txt`` states it."""


def encode(image: np.ndarray, encoding: Encoding) -> bytes:
    """Encode an HWC RGB image, uint8 or uint16, without loss."""
    if encoding == "ppm":
        deep = image.dtype == np.uint16
        header = f"P6\n{image.shape[1]} {image.shape[0]}\n{65535 if deep else 255}\n".encode("ascii")
        return header + image.astype(">u2" if deep else np.uint8).tobytes()
    level = [cv2.IMWRITE_PNG_COMPRESSION, COMPRESSION[encoding]]
    done, content = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), level)
    assert done, image.shape
    return bytes(content)

"""OpenCV's decoder: quick for common files; of the rest only what it is known to read right."""

from __future__ import annotations

import os

import cv2
import numpy as np

from usrda_plugin.data.pictures.refusal import Refused

LARGEST = 2**30
"""Pixels of an image that OpenCV takes, unless $OPENCV_IO_MAX_IMAGE_PIXELS says another number."""
_TOO_LARGE = (
    "expected an image that OpenCV takes, found more pixels than OpenCV takes; cut it into several, or set"
    " OPENCV_IO_MAX_IMAGE_PIXELS"
)


def decode_by_opencv(content: bytes | memoryview, flags: int) -> np.ndarray | None:
    """Decode as ``flags`` say; None for what OpenCV cannot read. Raises Refused for too many pixels."""
    try:
        levels: np.ndarray | None = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:  # of a header that says nonsense
        if "CV_IO_MAX_IMAGE" in str(error):
            raise Refused(_TOO_LARGE) from None
        return None
    return levels


def refuse_large(height: int, width: int) -> None:
    """Raise Refused for an image of more pixels than OpenCV takes."""
    if height * width > LARGEST and "OPENCV_IO_MAX_IMAGE_PIXELS" not in os.environ:
        raise Refused(_TOO_LARGE)

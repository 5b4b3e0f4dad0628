"""How far the colours of an image have drifted from those of the ground truth."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor

from usrda_plugin.metrics.levels import compared, levels_of_picture
from usrda_plugin.metrics.table import in_tensors


def colour_shift(image: Tensor, reference: Tensor, crop_border: int) -> Tensor:
    """The mean over the channels of |mean of the image - mean of the reference| (lower is better), (B,) float64.

    In 8-bit levels, of levels (B, C, H, W), RGB in [0, 255]. Raises ValueError where image and reference differ in
    shape.
    """
    image, reference = compared(image, reference, crop_border)
    drift = image.double().mean(dim=(2, 3)) - reference.double().mean(dim=(2, 3))
    return drift.abs().mean(dim=1)


@in_tensors(colour_shift)
def calculate_usrda_colour_shift(
    img: np.ndarray, img2: np.ndarray, crop_border: int, input_order: str = "HWC", **kwargs: Any
) -> float:
    """Return the shift of the mean colour in 8-bit levels (lower is better).

    Arguments as BasicSR's ``calculate_psnr``, BGR or gray in [0, 255].
    """
    image, reference = (levels_of_picture(picture, input_order) for picture in (img, img2))
    return colour_shift(image, reference, crop_border).item()

"""Colours beneath full transparency: whatever is stored there must not reach what is seen."""

from __future__ import annotations

import cv2
import numpy as np


def carry_colours_outwards(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Give each pixel whose ``alpha`` (h, w) is 0 the colour of the nearest one that is seen.

    A network or an interpolation mixes neighbours, so black that is stored beneath a white disc's surroundings would
    darken its rim. ``colour``: (h, w, 3) or (h, w); it is returned as it is where all or nothing is seen.
    """
    is_hidden = alpha == 0
    if not is_hidden.any() or is_hidden.all():
        return colour
    _, labels = cv2.distanceTransformWithLabels(
        is_hidden.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    seen = np.flatnonzero(~is_hidden)
    place_of = np.zeros(int(labels.max()) + 1, np.int64)
    place_of[labels.reshape(-1)[seen]] = seen
    return colour.reshape(-1, *colour.shape[2:])[place_of[labels]]

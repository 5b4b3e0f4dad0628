"""Full transparency: what is stored beneath it must not reach what is seen, and it stays what it is."""

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


def keep_plain_alpha(alpha: np.ndarray, enlarged: np.ndarray) -> np.ndarray:
    """Return the ``enlarged`` alpha with 0 where ``alpha`` is 0 all around, and the largest level where it is that.

    A network answers a flat area with a level or two beside it, and more at the borders: a veil where nothing was.
    """
    top = np.iinfo(alpha.dtype).max
    around = np.ones((3, 3), np.uint8)
    size = enlarged.shape[::-1]
    for level, is_plain in ((0, cv2.dilate(alpha, around) == 0), (top, cv2.erode(alpha, around) == top)):
        mask = cv2.resize(is_plain.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        enlarged[mask.astype(bool)] = level
    return enlarged

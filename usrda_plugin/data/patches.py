"""Random square patches and the eight poses of a square."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch


class Pose(NamedTuple):
    """A turn by ``quarter_turns`` times 90 degrees, counter-clockwise, then a flip left to right if ``mirrored``."""

    quarter_turns: int
    mirrored: bool

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Turn and flip an HWC image."""
        turned = np.rot90(image, self.quarter_turns)
        return turned[:, ::-1] if self.mirrored else turned


class Corner(NamedTuple):
    """Where a patch begins, in pixels from the top left."""

    top: int
    left: int

    def cut(self, image: np.ndarray, size: int) -> np.ndarray:
        """Return the patch of ``size`` x ``size`` pixels that begins here."""
        return image[self.top : self.top + size, self.left : self.left + size]


def random_pose(rng: np.random.Generator, *, flip: bool, turn: bool) -> Pose:
    """Draw a pose uniformly among those allowed; what is not is drawn all the same, so the stream stays as it is."""
    quarter_turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
    return Pose(quarter_turns if turn else 0, mirrored and flip)


def random_corner(rng: np.random.Generator, image: np.ndarray, size: int) -> Corner:
    """Draw the corner of a patch uniformly among all those inside the image, which must not be smaller."""
    height, width = image.shape[:2]
    return Corner(int(rng.integers(height - size + 1)), int(rng.integers(width - size + 1)))


def mirror_up_to(image: np.ndarray, size: int, margin: int) -> np.ndarray:
    """Extend an image by its mirrored edges, ``margin`` pixels on both sides of each axis shorter than ``size``."""
    rows, columns = (margin if length < size else 0 for length in image.shape[:2])
    return np.pad(image, ((rows, rows), (columns, columns), (0, 0)), mode="symmetric") if rows or columns else image


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """Turn an HWC array into a CHW tensor of its own."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))

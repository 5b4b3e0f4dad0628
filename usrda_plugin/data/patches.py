"""Random square patches, the eight poses of a square, and how large images must be for a patch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from usrda_plugin.data.camera import PATCH
from usrda_plugin.data.images import ImageSource
from usrda_plugin.data.resize import kernel_reach

FOR_PATCHES = "choose a smaller gt_size"
FOR_CAMERA = "write degradation: bicubic, since a camera is estimated from patches of that size"
"""What to do where an image is too small, beside removing it."""


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
    """Turn an HWC array into a CHW tensor of its own memory."""
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def room_for_camera(scale: int) -> int:
    """Tell how many HR pixels a side is shrunk from at which a camera is estimated."""
    return PATCH * scale + 2 * kernel_reach(scale)


def least_side(patch: int, for_camera: int) -> tuple[int, str]:
    """Tell the side that images must have, and what else to do where one is shorter than to remove it."""
    return (patch, FOR_PATCHES) if patch >= for_camera else (for_camera, FOR_CAMERA)


def refuse_small(path: str, shape: tuple[int, ...], least: int, remedy: str = FOR_PATCHES) -> None:
    """Raise ValueError that names the image if a side is shorter than ``least`` pixels."""
    if min(shape[:2]) < least:
        raise ValueError(
            f"{path} is {shape[0]}x{shape[1]} (height x width), smaller than a patch of {least}x{least}; "
            f"remove it or {remedy}"
        )


def small_or_unreadable(source: ImageSource, least: int, remedy: str = FOR_PATCHES) -> list[str]:
    """Describe each image that is unreadable or has a side shorter than ``least`` pixels."""
    faults = []
    for index in range(len(source)):
        try:
            refuse_small(source.path(index), source.size(index), least, remedy)
        except (ValueError, OSError) as error:
            faults.append(str(error))
    return faults

"""Source pairs: an LR patch and the HR patch of the same place, made or given."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from usrda_plugin.data.decoding import as_8_bit, as_unit
from usrda_plugin.data.degradation import bicubic_inside, kernel_reach
from usrda_plugin.data.images import ImageSource
from usrda_plugin.data.patches import Corner, mirror_up_to, random_corner


class Pair(NamedTuple):
    """The same place at two resolutions: HWC RGB, float32 in [0, 1]."""

    lq: np.ndarray
    gt: np.ndarray


class PairSource(Protocol):
    """What the two ways to source pairs have in common."""

    def draw(self, rng: np.random.Generator, index: int) -> Pair:
        """Draw a pair from one image. Raises ValueError that names an image with no room for a patch."""

    def lq_path(self, index: int) -> str:
        """Name the image that the LR patch comes from."""

    def faults(self) -> list[str]:
        """Describe each image that no pair can be drawn from, by the headers alone."""


class MadePairs:
    """LR made from the HR photograph by antialiased bicubic, as if the whole photograph had been shrunk.

    The kernel sees true pixels around the patch: the border of a photograph, where it would see mirrored ones, is left
    out, unless the photograph has no room. With ``quantize`` the LR patch has 8 bits, as an LR image from a file has.
    """

    def __init__(self, gt: ImageSource, gt_size: int, scale: int, *, quantize: bool) -> None:
        self.gt, self.gt_size, self.scale, self.quantize = gt, gt_size, scale, quantize

    def draw(self, rng: np.random.Generator, index: int) -> Pair:
        """Draw a place on the HR grid. Raises ValueError that names an image smaller than a patch."""
        margin = kernel_reach(self.scale)
        room = self.gt_size + 2 * margin
        with self.gt.opened(index) as whole:
            refuse_small(self.gt.path(index), whole.shape, self.gt_size)
            image = mirror_up_to(whole, room, margin)
            surroundings = random_corner(rng, image, room).cut(image, room).copy()
        lq = bicubic_inside(as_8_bit(surroundings) if self.quantize else as_unit(surroundings), self.scale)
        gt = Corner(margin, margin).cut(surroundings, self.gt_size)
        return Pair(as_unit(lq) if self.quantize else np.clip(lq, 0, 1), as_unit(gt))

    def lq_path(self, index: int) -> str:
        """Name the HR photograph, since there is no other file."""
        return self.gt.path(index)

    def faults(self) -> list[str]:
        """Describe each image that is unreadable or smaller than a patch."""
        return small_or_unreadable(self.gt, self.gt_size)


class GivenPairs:
    """LR images from files; an HR image may have a remainder below the scale, at the right and the bottom."""

    def __init__(self, gt: ImageSource, lq: ImageSource, gt_size: int, scale: int) -> None:
        self.gt, self.lq, self.gt_size, self.scale = gt, lq, gt_size, scale

    def draw(self, rng: np.random.Generator, index: int) -> Pair:
        """Draw a place on the LR grid. Raises ValueError that names images that do not fit each other or the patch."""
        size = self.gt_size // self.scale
        with self.lq.opened(index) as lq, self.gt.opened(index) as gt:
            misfit = self._misfit(index, lq.shape[:2], gt.shape[:2])
            if misfit:
                raise ValueError(misfit)
            refuse_small(self.lq.path(index), lq.shape, size)
            corner = random_corner(rng, lq, size)
            hr_corner = Corner(corner.top * self.scale, corner.left * self.scale)
            return Pair(as_unit(corner.cut(lq, size)), as_unit(hr_corner.cut(gt, self.gt_size)))

    def lq_path(self, index: int) -> str:
        """Name the LR image."""
        return self.lq.path(index)

    def faults(self) -> list[str]:
        """Describe each image that is unreadable, smaller than a patch or no partner in size."""
        faults = small_or_unreadable(self.gt, self.gt_size) + small_or_unreadable(self.lq, self.gt_size // self.scale)
        if faults:
            return faults
        misfits = (self._misfit(index, self.lq.size(index), self.gt.size(index)) for index in range(len(self.lq)))
        return [misfit for misfit in misfits if misfit]

    def _misfit(self, index: int, lq: tuple[int, ...], gt: tuple[int, ...]) -> str:
        if all(small == large // self.scale for small, large in zip(lq, gt, strict=True)):
            return ""
        return (
            f"{self.gt.path(index)} is {gt[0]}x{gt[1]} (height x width), so at scale {self.scale} its LR image must be "
            f"{gt[0] // self.scale}x{gt[1] // self.scale}; {self.lq.path(index)} is {lq[0]}x{lq[1]}"
        )


def refuse_small(path: str, shape: tuple[int, ...], least: int) -> None:
    """Raise ValueError that names the image if a side is shorter than ``least`` pixels."""
    if min(shape[:2]) < least:
        raise ValueError(
            f"{path} is {shape[0]}x{shape[1]} (height x width), smaller than a patch of {least}x{least}; "
            "remove it or choose a smaller gt_size"
        )


def small_or_unreadable(source: ImageSource, least: int) -> list[str]:
    """Describe each image that is unreadable or has a side shorter than ``least`` pixels."""
    faults = []
    for index in range(len(source)):
        try:
            refuse_small(source.path(index), source.size(index), least)
        except (ValueError, OSError) as error:
            faults.append(str(error))
    return faults

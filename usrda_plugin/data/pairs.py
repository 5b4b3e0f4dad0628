"""Source pairs: an LR patch and the HR patch of the same place, synthetic or from files."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from usrda_plugin.data.camera import PATCHES_OF_EACH, REACH, Camera
from usrda_plugin.data.images import ImageSource
from usrda_plugin.data.patches import (
    FOR_CAMERA,
    Corner,
    least_side,
    mirror_up_to,
    random_corner,
    refuse_small,
    room_for_camera,
    small_or_unreadable,
)
from usrda_plugin.data.pictures import as_8_bit, as_unit
from usrda_plugin.data.resize import bicubic_downsample, bicubic_inside, kernel_reach


class Pair(NamedTuple):
    """The same place at two resolutions: ``lq`` (h, w, 3), ``gt`` (scale*h, scale*w, 3); RGB, float32 in [0, 1]."""

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


class SyntheticPairs:
    """LR made from the HR photograph by antialiased bicubic, as if the whole photograph had been shrunk.

    The kernel sees true pixels around the patch: the border of a photograph, where it would see mirrored ones, is left
    out, unless the photograph has no room. With ``quantize`` the LR patch has 8 bits, as an LR image from a file has.
    With a ``camera`` it is degraded by that one, whose kernel leaves out more of the border; its noise has a generator
    of its own, so that what else is drawn stays as it is without.
    """

    def __init__(self, gt: ImageSource, gt_size: int, scale: int, *, quantize: bool) -> None:
        self.gt, self.gt_size, self.scale, self.quantize = gt, gt_size, scale, quantize
        self.camera: Camera | None = None
        self.room = 0  # HR pixels that a side must have for the estimate of the camera, if it was estimated

    def draw(self, rng: np.random.Generator, index: int) -> Pair:
        """Draw a place on the HR grid. Raises ValueError that names an image smaller than a patch."""
        around = REACH * self.scale if self.camera else 0
        margin = kernel_reach(self.scale) + around
        room = self.gt_size + 2 * margin
        with self.gt.opened(index) as whole:
            refuse_small(self.gt.path(index), whole.shape, self.gt_size)
            image = mirror_up_to(whole, room, margin)
            surroundings = random_corner(rng, image, room).cut(image, room).copy()
        gt = Corner(margin, margin).cut(surroundings, self.gt_size)
        lq = self._shrunk(surroundings)
        if self.camera:
            lq = self.camera.degrade(rng.spawn(1)[0], lq)
            lq = as_unit(_rounded(lq)) if self.quantize else lq
        return Pair(lq, as_unit(gt))

    def samples(self, rng: np.random.Generator, index: int) -> list[np.ndarray]:
        """Shrink patches of one image to the size at which cameras are estimated, (32, 32, 3) in [0, 1].

        Raises ValueError that names an image with no room for them.
        """
        return [self._shrunk(place) for place in places(self.gt, rng, index, room_for_camera(self.scale))]

    def _shrunk(self, image: np.ndarray) -> np.ndarray:
        lq = bicubic_inside(as_8_bit(image) if self.quantize else as_unit(image), self.scale)
        return as_unit(lq) if self.quantize else np.clip(lq, 0, 1)

    def lq_path(self, index: int) -> str:
        """Name the HR photograph, since there is no other file."""
        return self.gt.path(index)

    def faults(self) -> list[str]:
        """Describe each image that is unreadable or smaller than a patch."""
        return small_or_unreadable(self.gt, *least_side(self.gt_size, self.room))


class PairedFiles:
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


def taken_by(camera: Camera, photograph: np.ndarray, scale: int, rng: np.random.Generator) -> np.ndarray:
    """Make the LR image of a whole HR photograph as SyntheticPairs makes it of a patch, by a camera, in 8 bits.

    ``photograph`` is HWC RGB of 8 or 16 bits, whose remainder below the scale, at the right and the bottom, is cut off;
    the result (H // scale, W // scale, 3) uint8. At its sides both kernels see the mirrored image.
    """
    height, width = (length - length % scale for length in photograph.shape[:2])
    bicubic = bicubic_downsample(as_8_bit(photograph[:height, :width]), scale)
    return _rounded(camera.degrade_whole(rng, as_unit(bicubic)))


def _rounded(image: np.ndarray) -> np.ndarray:
    """8-bit levels of an image in [0, 1]."""
    return np.rint(image * 255).astype(np.uint8)


def places(images: ImageSource, rng: np.random.Generator, index: int, size: int) -> list[np.ndarray]:
    """Draw the places of one image at which a camera is estimated. Raises ValueError that names one without room."""
    with images.opened(index) as image:
        refuse_small(images.path(index), image.shape, size, FOR_CAMERA)
        corners = [random_corner(rng, image, size) for _ in range(PATCHES_OF_EACH)]
        return [corner.cut(image, size).copy() for corner in corners]

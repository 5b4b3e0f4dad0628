"""A camera from photographs: the one way to it, for a data set of a training and for a command alike.

The same photographs in the same order, the same source, scale and seed give the same camera to its last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from usrda_plugin.data.backends import FolderStore
from usrda_plugin.data.camera import PATCH, Camera, Drawer, Origin, estimate_camera, featureless, gather, looked_at
from usrda_plugin.data.images import ImageSource
from usrda_plugin.data.pairs import SyntheticPairs, places
from usrda_plugin.data.patches import room_for_camera
from usrda_plugin.data.pictures import UnreadableError, as_unit
from usrda_plugin.data.sampler import sample_rng


class EvenAreasError(ValueError):
    """Images show even areas, which tell no blur; ``images`` are those."""

    def __init__(self, images: ImageSource) -> None:
        more = f" and {len(images) - 1} more" if len(images) > 1 else ""
        super().__init__(
            f"{images.path(0)}{more}: expected photographs of something, found even areas, which tell no blur; give"
            " others"
        )
        self.images = images


class Estimate(NamedTuple):
    """A camera; the photographs and source images that were of use; why others were left out, by their file."""

    camera: Camera
    photographs: list[Path]
    source: list[Path]
    left_out: dict[Path, str]


def estimate_from_images(target: ImageSource, source: SyntheticPairs, seed: int) -> Camera:
    """Estimate the camera of a target from its photographs, beside the bicubic LR images that ``source`` makes.

    Raises EvenAreasError; ValueError or OSError that names an image that is unreadable or smaller than a patch.
    """
    rng = sample_rng(seed, 0).spawn(1)[0]  # a stream of its own, on every rank the same
    of_source = _patches(source.gt, source.samples, rng)
    of_target = _patches(target, partial(_target_samples, target), rng)
    counts = (len(looked_at(len(images))) for images in (target, source.gt))
    return estimate_camera(of_target, of_source)._replace(origin=Origin(source.scale, *counts))


def estimate_from_files(photographs: Sequence[Path], source: Sequence[Path], *, scale: int, seed: int = 0) -> Estimate:
    """Estimate the camera of LR photographs, beside HR photographs of other things, shrunk by ``scale``.

    Those that are unreadable or too small are left out. Order counts, as the draws of patches go by it.
    Raises ValueError where none are left of either, or they show even areas.
    """
    left_out: dict[Path, str] = {}
    targets, sources = _with_room(photographs, PATCH, left_out), _with_room(source, room_for_camera(scale), left_out)
    while True:
        _refuse_none("photographs", targets, PATCH, len(photographs), left_out)
        _refuse_none("source images", sources, room_for_camera(scale), len(source), left_out)
        images, hr = _images(targets), _images(sources)
        try:
            camera = estimate_from_images(images, SyntheticPairs(hr, scale, scale, quantize=True), seed)
            return Estimate(camera, targets, sources, left_out)
        except (UnreadableError, OSError):  # a header promises more than its pixels keep
            damaged = _undecodable(images) | _undecodable(hr)
            if not damaged:
                raise
            left_out |= damaged
            targets, sources = ([file for file in files if file not in damaged] for files in (targets, sources))


def _patches(images: ImageSource, drawer: Drawer, rng: np.random.Generator) -> np.ndarray:
    patches = gather(drawer, len(images), rng)
    if featureless(patches):
        raise EvenAreasError(images)
    return patches


def _target_samples(target: ImageSource, rng: np.random.Generator, index: int) -> list[np.ndarray]:
    return [as_unit(place) for place in places(target, rng, index, PATCH)]


def _images(files: Sequence[Path]) -> ImageSource:
    return ImageSource(FolderStore(Path()), [str(file) for file in files])


def _with_room(files: Sequence[Path], least: int, left_out: dict[Path, str]) -> list[Path]:
    """The files whose images have sides of ``least`` pixels; the others are added to ``left_out``."""
    images, usable = _images(files), []
    for index, file in enumerate(files):
        try:
            height, width = images.size(index)
        except (ValueError, OSError) as error:
            left_out[file] = str(error)
            continue
        if min(height, width) >= least:
            usable.append(file)
        else:
            left_out[file] = f"{file}: expected {least} pixels a side or more, found {width}x{height}"
    return usable


def _undecodable(images: ImageSource) -> dict[Path, str]:
    """Those of the images that are looked at whose pixels cannot be read, each with the reason."""
    found = {}
    for index in looked_at(len(images)):
        try:
            images.read(index)
        except (ValueError, OSError) as error:
            found[Path(images.entries[index])] = str(error)
    return found


def _refuse_none(what: str, files: Sequence[Path], least: int, given: int, left_out: dict[Path, str]) -> None:
    if not files:
        first = next(iter(left_out.values()), "")
        raise ValueError(
            f"expected {what} that can be read, of {least} pixels a side or more, found none among {given}"
            f"{f': {first}' if first else ''}"
        )

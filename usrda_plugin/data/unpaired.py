"""The training data sets: source pairs, and target LR photographs that belong to none of them."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from basicsr.utils import get_root_logger
from basicsr.utils.registry import DATASET_REGISTRY
from torch.utils.data import Dataset

from usrda_plugin.data.backends import is_lmdb
from usrda_plugin.data.camera import PATCH, Camera, looked_at
from usrda_plugin.data.camera_estimation import EvenAreasError, estimate_from_images
from usrda_plugin.data.camera_file import SUFFIX, CameraFileError
from usrda_plugin.data.images import ImageSource
from usrda_plugin.data.pairs import PairedFiles, PairSource, SyntheticPairs
from usrda_plugin.data.patches import (
    least_side,
    random_corner,
    random_pose,
    refuse_small,
    room_for_camera,
    small_or_unreadable,
    to_tensor,
)
from usrda_plugin.data.pictures import as_unit
from usrda_plugin.data.sampler import sample_rng

ESTIMATED = "camera"
"""The ``degradation`` by the target's camera, as its photographs show it."""

_last_camera: dict[Hashable, Camera] = {}
"""The camera that this process has estimated last, by all that it was estimated from.

The training data estimate it, and the signals, whose crops are of another size, take the same photographs.
"""


class USRDASourceDataset(Dataset):
    """Random source pairs ``lq``, ``gt`` for BasicSR's own models: CHW RGB in [0, 1], with ``lq_path`` and ``gt_path``.

    Options: ``scale``; ``gt_size`` (HR pixels); ``dataroot_gt`` (folder or ``*.lmdb``), ``meta_info``; ``dataroot_lq``
    with ``filename_tmpl`` for given LR images, which are else made by antialiased bicubic and rounded to 8 bits
    (``quantize``, true), and, where ``degradation`` ("bicubic") names the file of a camera, have its blur and noise;
    ``use_hflip``, ``use_rot`` (true); ``seed`` (0); ``cache_in_memory`` (false): each process
    keeps decoded images. Raises ValueError or FileNotFoundError that names the option or the file.
    """

    degradations: ClassVar[tuple[str, ...]] = ("bicubic",)
    """What ``degradation`` may be beside the file of a camera."""
    draws_by_sample_number = True
    """A sampler may hand this data set any number from 0 upwards: it is a sample's, not an image's."""

    def __init__(self, opt: dict[str, Any]) -> None:
        self.scale, self.gt_size = opt["scale"], opt["gt_size"]
        if self.gt_size < self.scale or self.gt_size % self.scale:
            raise ValueError(f"gt_size must be a multiple of scale {self.scale}, found {self.gt_size}")
        self.seed = opt.get("seed") or 0
        self.poses = {"flip": opt.get("use_hflip", True), "turn": opt.get("use_rot", True)}
        self.source = _open(opt, "dataroot_gt", "meta_info")
        self.pairs = self._pairs(opt)
        self._use_degradation(opt)

    def __len__(self) -> int:
        """Count the source images: BasicSR's measure of an epoch."""
        return len(self.source)

    def __getitem__(self, sample_number: int) -> dict[str, Any]:
        return self._source_sample(sample_rng(self.seed, sample_number))

    def describe(self) -> str:
        """Say how many images there are, and where."""
        return self.source.describe("source")

    def check_images(self) -> None:
        """Look at the header of every image. Raises ValueError that lists the unreadable, too small or unfitting."""
        faults = self._faults()
        if faults:
            more = [f"... and {len(faults) - 10} more"] if len(faults) > 10 else []
            raise ValueError("\n".join(faults[:10] + more))

    def lq_paths(self) -> list[str]:
        """Name the images of the first samples, as many as there are in an epoch, without reading them."""
        first = (int(sample_rng(self.seed, number).integers(len(self.source))) for number in range(len(self)))
        return [self.pairs.lq_path(index) for index in first]

    def _pairs(self, opt: dict[str, Any]) -> PairSource:
        if not opt.get("dataroot_lq"):
            return SyntheticPairs(self.source, self.gt_size, self.scale, quantize=opt.get("quantize", True))
        _refuse_contradiction(opt, "dataroot_lq")
        lq = self.source.partners(opt["dataroot_lq"], opt.get("filename_tmpl") or "{}")
        return PairedFiles(self.source, lq, self.gt_size, self.scale)

    def _use_degradation(self, opt: dict[str, Any]) -> None:
        degradation = opt.get("degradation") or "bicubic"
        if not (degradation in self.degradations or is_camera_file(degradation)):
            known = ", ".join(self.degradations)
            raise ValueError(f"degradation must be {known} or a camera's file ({SUFFIX}), found {degradation!r}")
        for message, remedy in camera_faults(opt):
            raise ValueError(f"degradation: {message}; {remedy}")
        if is_camera_file(degradation):
            assert isinstance(self.pairs, SyntheticPairs)
            self.pairs.camera = Camera.load(degradation)
            get_root_logger().info(f"Camera of {degradation}: {self.pairs.camera.describe()}.")
            _tell_other_scale(self.pairs.camera, self.scale)

    def _source_sample(self, rng: np.random.Generator) -> dict[str, Any]:
        index = int(rng.integers(len(self.source)))
        pair = self.pairs.draw(rng, index)
        pose = random_pose(rng, **self.poses)
        return {
            "lq": to_tensor(pose.apply(pair.lq)),
            "gt": to_tensor(pose.apply(pair.gt)),
            "lq_path": self.pairs.lq_path(index),
            "gt_path": self.source.path(index),
        }

    def _faults(self) -> list[str]:
        return self.pairs.faults()


class USRDADataset(USRDASourceDataset):
    """Source pairs ``x_s``, ``y_s`` and, drawn independently, target LR patches ``x_t`` as large as ``x_s``.

    CHW RGB in [0, 1], with ``gt_path`` and ``target_path``. Options: those of USRDASourceDataset, and
    ``dataroot_target`` with ``meta_info_target``; without them samples have no ``x_t``. ``degradation``:
    beside those of USRDASourceDataset, with "camera" the LR images that are made are taken by the target's camera, as
    its photographs show it.
    """

    degradations = ("bicubic", ESTIMATED)

    def __init__(self, opt: dict[str, Any]) -> None:
        # before all else, since it may show the camera of the source
        self.target = _open(opt, "dataroot_target", "meta_info_target") if opt.get("dataroot_target") else None
        super().__init__(opt)

    def describe(self) -> str:
        """Say how many images of each domain there are, and where."""
        target = self.target.describe("target") if self.target is not None else "no target images"
        return f"{super().describe()}; {target}"

    def _use_degradation(self, opt: dict[str, Any]) -> None:
        super()._use_degradation(opt)
        if opt.get("degradation") != ESTIMATED:
            return
        assert self.target is not None
        assert isinstance(self.pairs, SyntheticPairs)
        shown_by = (self.seed, self.scale, self.pairs.quantize, _version(self.source), _version(self.target))
        if shown_by not in _last_camera:
            camera = self._estimate_camera(self.pairs, self.target)
            _last_camera.clear()
            _last_camera[shown_by] = camera
        self.pairs.camera = _last_camera[shown_by]
        self.pairs.room = room_for_camera(self.scale)

    def _estimate_camera(self, pairs: SyntheticPairs, photographs: ImageSource) -> Camera:
        try:
            camera = estimate_from_images(photographs, pairs, self.seed)
        except EvenAreasError as error:
            key = "dataroot_target" if error.images is photographs else "dataroot_gt"
            raise ValueError(
                f"{key}: no camera can be estimated from {error.images.store.root}, whose images are even areas; "
                "correct the root, or write degradation: bicubic"
            ) from None
        get_root_logger().info(f"Camera of {photographs.store.root}: {camera.describe()}.")
        return camera

    def __getitem__(self, sample_number: int) -> dict[str, Any]:
        rng = sample_rng(self.seed, sample_number)
        source = self._source_sample(rng)
        sample = {"x_s": source["lq"], "y_s": source["gt"], "gt_path": source["gt_path"]}
        return sample if self.target is None else sample | self._target_sample(rng, self.target)

    def _target_sample(self, rng: np.random.Generator, target: ImageSource) -> dict[str, Any]:
        index, size = int(rng.integers(len(target))), self.gt_size // self.scale
        with target.opened(index) as image:
            refuse_small(target.path(index), image.shape, size)
            patch = as_unit(random_corner(rng, image, size).cut(image, size))
        x_t: torch.Tensor = to_tensor(random_pose(rng, **self.poses).apply(patch))
        return {"x_t": x_t, "target_path": target.path(index)}

    def _faults(self) -> list[str]:
        faults = super()._faults()
        if self.target is None:
            return faults
        is_estimated = isinstance(self.pairs, SyntheticPairs) and self.pairs.room > 0
        least = least_side(self.gt_size // self.scale, PATCH if is_estimated else 0)
        return faults + small_or_unreadable(self.target, *least)


def is_camera_file(degradation: Any) -> bool:
    """Tell whether the option ``degradation`` names the file of a camera, by its ending."""
    return isinstance(degradation, str) and Path(degradation).suffix == SUFFIX


def camera_faults(opt: dict[str, Any]) -> list[tuple[str, str]]:
    """List what keeps a camera from taking the LR images that a data set makes, each with what to do about it.

    That is what its option ``degradation`` says and what the other options lack; none where it is bicubic.
    """
    degradation, found = opt.get("degradation"), []
    if degradation == ESTIMATED and not opt.get("dataroot_target"):
        message = "a camera is estimated from target photographs, and there are none"
        found.append((message, "give dataroot_target, or write degradation: bicubic"))
    if degradation not in (None, "bicubic") and opt.get("dataroot_lq"):
        message = "a camera takes LR images that are made, and dataroot_lq gives others"
        found.append((message, "remove dataroot_lq, or write degradation: bicubic"))
    if is_camera_file(degradation):
        try:
            Camera.load(str(degradation))
        except CameraFileError as error:
            found.append((error.message, error.remedy))
        except OSError as error:
            message, _, remedy = str(error).partition("; ")
            found.append((message, remedy or "correct the path"))
    return found


def _tell_other_scale(camera: Camera, scale: int) -> None:
    if camera.origin.scale not in (None, scale):
        get_root_logger().info(
            f"It was estimated at scale {camera.origin.scale} and is used at scale {scale}: near, as its kernel counts"
            " in LR pixels, but an estimate at this scale would be nearer."
        )


def _version(images: ImageSource) -> tuple[Hashable, ...]:
    """What changes when the photographs that show a camera do."""
    shown = [images.entries[index] for index in looked_at(len(images))]
    return str(images.store.root.absolute()), len(images), *((entry, images.store.version(entry)) for entry in shown)


def _open(opt: dict[str, Any], root: str, meta_info: str) -> ImageSource:
    _refuse_contradiction(opt, root)
    try:
        return ImageSource.open(opt[root], opt.get(meta_info), keep_decoded=opt.get("cache_in_memory", False))
    except (ValueError, FileNotFoundError) as error:
        raise type(error)(f"{root}: {error}") from error


def _refuse_contradiction(opt: dict[str, Any], root: str) -> None:
    """What a root is shows by its ending; ``io_backend``, where given, must not say otherwise."""
    declared = (opt.get("io_backend") or {}).get("type")
    actual = "lmdb" if is_lmdb(opt[root]) else "disk"
    if declared not in (None, actual):
        raise ValueError(
            f"io_backend says {declared}, but {root}: {opt[root]} is {'an LMDB' if actual == 'lmdb' else 'a folder'} "
            "by its name; leave io_backend out, since a root that ends in .lmdb is an LMDB and any other a folder"
        )


for _dataset in (USRDASourceDataset, USRDADataset):
    if _dataset.__name__ not in DATASET_REGISTRY:  # registering twice would be an assertion error
        DATASET_REGISTRY.register(_dataset)

"""Options that are right one by one, but not together: scale, patch size, batch, devices, LMDB or folder."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import torch

from usrda_plugin.data.unpaired import camera_faults
from usrda_plugin.data.workers import MORE_SHARED, SHARED, free_shared_memory
from usrda_plugin.options.components import MODELS, argument_of, find
from usrda_plugin.options.image_sources import is_ours
from usrda_plugin.options.schema_data import dataset_model
from usrda_plugin.options.validation import Options, Validation

REAL_ESRGAN_CROP = 400  # what BasicSR's RealESRGANDataset cuts out of each image, in pixels


def check_consistency(validation: Validation) -> None:
    """Check options against each other; ``io_backend`` is filled in where the roots tell it, and LMDBs lose a slash."""
    _check_scale(validation)
    _check_devices(validation)
    for phase, dataset in validation.datasets():
        _check_backend(validation, phase, dataset)
        _check_loader(validation, phase, dataset)
        _check_patch(validation, ("datasets", phase), dataset.get("gt_size"), dataset.get("scale"))
        _check_degradation(validation, phase, dataset)
        _check_normalisation(validation, phase, dataset)
        _check_kernels(validation, phase, dataset)
    _check_patch(validation, (), validation.opt.get("gt_size"), None)
    if validation.is_train:
        _check_real_esrgan(validation)


def _check_scale(validation: Validation) -> None:
    scale = validation.opt.get("scale")
    if scale is None:
        if any(dataset_model(dataset.get("type")).roots for _, dataset in validation.datasets()):
            message = "scale is missing; data sets and networks go by it"
            validation.error(("scale",), message, "add scale: 2, 3 or 4 at the top level")
        return
    for phase, dataset in validation.datasets():
        if dataset.get("scale") not in (None, scale):
            message = f"scale {dataset['scale']} here, but {scale} at the top level, by which BasicSR replaces it"
            validation.error(("datasets", phase, "scale"), message, "remove it here")
    network = validation.block("network_g")
    arguments = {name: argument_of(network, name) for name in ("scale", "upscale")}
    name, value = next(((name, value) for name, value in arguments.items() if value is not None), ("", scale))
    if isinstance(value, int) and value != scale:
        given = "" if name in network else ", its default"
        message = f"network_g enlarges {value} times ({name}: {value}{given}), but scale is {scale}"
        validation.error(("network_g", name), message, f"set {name}: {scale} here, or scale: {value} at the top level")


def _check_patch(validation: Validation, keys: tuple[str, ...], gt_size: Any, scale: Any) -> None:
    scale = validation.opt.get("scale", scale)
    if isinstance(gt_size, int) and isinstance(scale, int) and gt_size % scale:
        remedy = f"write e.g. gt_size: {max(gt_size // scale, 1) * scale}"
        validation.error((*keys, "gt_size"), f"gt_size {gt_size} is not a multiple of scale {scale}", remedy)


def _check_degradation(validation: Validation, phase: str, dataset: Options) -> None:
    for message, remedy in camera_faults(dataset) if is_ours(dataset) else ():
        validation.error(("datasets", phase, "degradation"), message, remedy, further=True)


def _check_normalisation(validation: Validation, phase: str, dataset: Options) -> None:
    """What BasicSR subtracts and divides by: both, for each channel or one for all, and nothing to divide by zero."""
    given = {key: dataset[key] for key in ("mean", "std") if isinstance(dataset.get(key), list)}
    channels = 1 if dataset.get("color") == "y" else 3
    for key, values in given.items():
        if len(values) not in (1, channels):
            message = f"expected a number for each of {channels} channels, found {len(values)} numbers"
            validation.error(("datasets", phase, key), message, f"write {channels} numbers")
    if len(given) == 1:
        (key,) = {"mean", "std"} - {*given}
        message = f"{key} is missing; BasicSR wants mean and std together"
        validation.error(("datasets", phase, key), message, f"add {key}")
    if 0 in given.get("std", ()):
        message = f"cannot divide by 0, found {given['std']}"
        validation.error(("datasets", phase, "std"), message, "write numbers above 0")


def _check_kernels(validation: Validation, phase: str, dataset: Options) -> None:
    for step in ("", "2"):
        names, chances = dataset.get(f"kernel_list{step}"), dataset.get(f"kernel_prob{step}")
        if isinstance(names, list) and isinstance(chances, list) and len(names) != len(chances):
            message = f"expected {len(names)} probabilities, one for each of kernel_list{step}, found {len(chances)}"
            keys = ("datasets", phase, f"kernel_prob{step}")
            validation.error(keys, message, "give each kernel its probability")


def _check_devices(validation: Validation) -> None:
    asked, train = validation.opt.get("num_gpu"), validation.block("datasets", "train")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if asked is None:
        message = "num_gpu is missing; BasicSR reads it in every run"
        validation.error(("num_gpu",), message, "add num_gpu: auto, or 0 for CPU")
    elif isinstance(asked, int) and asked > there:
        found = "this PyTorch sees no GPU" if not there else f"there are {there}"
        remedy = "set num_gpu: auto to use what is there, or 0 for CPU"
        validation.error(("num_gpu",), f"{asked} GPUs are asked for, but {found}", remedy)
    if validation.is_train and train.get("prefetch_mode") == "cuda":
        keys = ("datasets", "train", "prefetch_mode")
        if not there or asked == 0:
            message = "prefetch_mode cuda copies to a GPU, and none is used"
            validation.error(keys, message, "write prefetch_mode: cpu, or ~ for none")
        elif train.get("pin_memory") is not True:
            validation.error(keys, "prefetch_mode cuda needs page-locked memory", "set pin_memory: true beside it")


def _check_backend(validation: Validation, phase: str, dataset: Options) -> None:
    """Folder or LMDB, as ``io_backend`` and the roots' names say; for BasicSR's data sets these fill it in."""
    keys = [root.key for root in dataset_model(dataset.get("type")).roots]
    roots = {key: dataset[key].rstrip("/").endswith(".lmdb") for key in keys if isinstance(dataset.get(key), str)}
    for key in [key for key, is_lmdb in roots.items() if is_lmdb]:
        dataset[key] = dataset[key].rstrip("/")  # BasicSR looks for the ending at the very end
    backend = dataset.get("io_backend") or {}
    # our data sets tell each root by its name, so that a folder may go with an LMDB
    if roots and not backend.get("type") and not is_ours(dataset):
        backend = dataset["io_backend"] = {**backend, "type": "lmdb" if next(iter(roots.values())) else "disk"}
    told = backend.get("type")
    if told == "disk" and len(backend) > 1:
        extra = next(key for key in backend if key != "type")
        validation.error(("datasets", phase, "io_backend", extra), "files on disk take no argument", "remove it")
    if told == "memcached" and find_spec("mc") is None:
        message = "memcached needs the package mc, which is not installed"
        validation.error(("datasets", phase, "io_backend", "type"), message, "write disk or lmdb")
    for key, is_lmdb in roots.items():
        if told in ("disk", "lmdb") and is_lmdb != (told == "lmdb"):
            what = "an LMDB" if is_lmdb else "a folder"
            message = f"io_backend says {told}, but {dataset[key]} is {what} by its name"
            remedy = "an LMDB's name ends in .lmdb; correct the root or io_backend: type"
            if len(set(roots.values())) > 1 and is_ours(dataset):
                remedy = "leave io_backend out; each root is told by its name"
            validation.error(("datasets", phase, key), message, remedy)


def _check_loader(validation: Validation, phase: str, dataset: Options) -> None:
    # BasicSR loads validation images in the main process, whatever num_worker_per_gpu says
    workers = dataset.get("num_worker_per_gpu") if phase == "train" else 0
    if dataset.get("persistent_workers") and workers == 0:
        remedy = "set num_worker_per_gpu above 0, or remove it"
        if phase != "train":
            remedy = "remove it; validation loads in the main process"
        message = "persistent_workers needs loader processes, and there are none"
        validation.error(("datasets", phase, "persistent_workers"), message, remedy)
    batch, side = dataset.get("batch_size_per_gpu"), dataset.get("gt_size", validation.opt.get("gt_size"))
    if workers and isinstance(batch, int) and isinstance(side, int):
        _check_shared_memory(validation, phase, batch, side)


def _check_shared_memory(validation: Validation, phase: str, batch: int, side: int) -> None:
    """A batch has at least its HR patches, gray ones in float32, and goes through shared memory."""
    needed, free = batch * side * side * 4, free_shared_memory()
    if free is not None and free < needed:
        message = f"loader processes need {needed} bytes or more for a batch in shared memory, {SHARED} has {free}"
        validation.error(("datasets", phase, "num_worker_per_gpu"), message, MORE_SHARED)


def _check_real_esrgan(validation: Validation) -> None:
    train, scale = validation.block("datasets", "train"), validation.opt.get("scale")
    if dataset_model(train.get("type")).__name__ == "RealESRGANDataset":
        if isinstance(scale, int) and REAL_ESRGAN_CROP % scale:
            message = f"RealESRGANDataset crops to {REAL_ESRGAN_CROP} pixels, which scale {scale} does not divide"
            validation.error(("scale",), message, "use scale 1, 2 or 4")
        gt_size = validation.opt.get("gt_size")
        if isinstance(gt_size, int) and gt_size > REAL_ESRGAN_CROP:
            message = f"RealESRGANDataset crops to {REAL_ESRGAN_CROP} pixels, fewer than gt_size {gt_size}"
            validation.error(("gt_size",), message, f"set gt_size to {REAL_ESRGAN_CROP} or less")
    model = find(MODELS, validation.opt.get("model_type"))
    batch, queue = train.get("batch_size_per_gpu"), validation.opt.get("queue_size", 180)
    if hasattr(model, "_dequeue_and_enqueue") and isinstance(batch, int) and isinstance(queue, int) and queue % batch:
        message = f"queue_size {queue} is not a multiple of batch_size_per_gpu {batch}"
        validation.error(("queue_size",), message, f"write queue_size: {max(queue // batch, 1) * batch}")

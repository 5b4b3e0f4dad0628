"""The images themselves: readable, large enough for a patch and for what metrics leave out.

So that large sets cost little, at most ``HEADERS`` images of a root, evenly spread, have their first and last bytes
read, and of these as many are decoded as have ``DECODED`` pixels together. Small sets are looked at completely.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

from usrda_plugin.options.components import DATASETS, find, is_foreign
from usrda_plugin.options.image_sources import HEADERS, ImageRoot, open_root, spread
from usrda_plugin.options.pairs import check_pair_sizes, pair_up
from usrda_plugin.options.schema_data import dataset_model
from usrda_plugin.options.validation import Options, Validation, some

DECODED = 20_000_000
BORDERED_METRICS = ("calculate_psnr", "calculate_ssim")


def check_images(validation: Validation) -> dict[str, int]:
    """Check the roots of all data sets and their images; returns how many samples each known data set has."""
    counted = {phase: _check_dataset(validation, phase, dataset) for phase, dataset in validation.datasets()}
    return {phase: count for phase, count in counted.items() if count is not None}


def _check_dataset(validation: Validation, phase: str, dataset: Options) -> int | None:
    declared = dataset_model(dataset.get("type")).roots
    if not declared:
        _check_folders(validation, phase, dataset)
        return None
    given = [root for root in declared if isinstance(dataset.get(root.key), str)]
    opened = {root.key: open_root(validation, phase, root, dataset) for root in given}
    roots = {key: root for key, root in opened.items() if root is not None}
    pairs = pair_up(validation, phase, dataset, roots)
    for root in roots.values():
        _check_root(validation, root, *_least(validation, phase, dataset, root))
    if pairs:
        check_pair_sizes(validation, phase, dataset, roots, pairs)
    if phase != "train" and "dataroot_gt" in roots:
        _check_borders(validation, roots["dataroot_gt"])
    first = roots.get(declared[0].key)
    return None if first is None else len(pairs or first.names)


def _check_folders(validation: Validation, phase: str, dataset: Options) -> None:
    """Of a data set whose layout is not known here, its roots must at least be there."""
    for key, value in dataset.items():
        if key.startswith("dataroot") and isinstance(value, str) and not Path(value).exists():
            validation.error(("datasets", phase, key), f"{value} does not exist", "correct the path")


def _least(validation: Validation, phase: str, dataset: Options, root: ImageRoot) -> tuple[int, str]:
    """Pixels that each side of an image must have at least, and what else to do than to remove a smaller one."""
    from usrda_plugin.data.camera import PATCH
    from usrda_plugin.data.sizes import FOR_PATCHES, least_side, room_for_camera

    gt_size, scale = dataset.get("gt_size"), validation.opt.get("scale")
    pads = dataset_model(dataset.get("type")).__name__ == "RealESRGANDataset"
    if phase != "train" or pads or not isinstance(gt_size, int) or not isinstance(scale, int):
        return 1, FOR_PATCHES
    has_camera, is_hr = dataset.get("degradation") == "camera", root.domain == "hr"
    for_camera = (room_for_camera(scale) if is_hr else PATCH) if has_camera else 0
    return least_side(gt_size if is_hr else max(gt_size // scale, 1), for_camera)


def _check_root(validation: Validation, root: ImageRoot, least: int, remedy: str) -> None:
    names = spread(root.names, HEADERS)
    sizes = {name: root.size(name) for name in names}
    unreadable = [root.reasons[name] for name, size in sizes.items() if size is None]
    unreadable += _undecodable(root, [name for name, size in sizes.items() if size is not None])
    small = {name: size for name, size in sizes.items() if size is not None and min(size) < least}
    looked = "" if len(names) == len(root.names) else f" ({len(names)} of {len(root.names)} looked at)"
    if unreadable:
        message = f"{len(unreadable)} files in {root.path} cannot be read as images{looked}: {some(unreadable)}"
        remedy = "mend or remove them" if root.shapes is None else f"make it again; usrda lmdb verify {root.path}"
        validation.error(root.keys, message, remedy, further=True)
    if small:
        listed = some([f"{name} is {height}x{width}" for name, (height, width) in small.items()])
        message = f"{len(small)} images in {root.path} are smaller than a patch of {least}x{least}{looked}: {listed}"
        validation.error(root.keys, message, f"remove them, or {remedy}", further=True)


def _undecodable(root: ImageRoot, names: Sequence[str]) -> list[str]:
    """Those whose header is right and whose content is not; for an LMDB none, since its maker has read them."""
    if root.shapes is not None or not names:
        return []
    from usrda_plugin.data.pictures import UnreadableError, decode_picture

    sizes = [root.size(name) or (1, 1) for name in names]
    mean = sum(height * width for height, width in sizes) // len(sizes)
    bad = []
    for name in spread(names, max(DECODED // max(mean, 1), 1)):
        try:
            decode_picture((root.path / name).read_bytes(), name)
        except (UnreadableError, OSError) as error:
            bad.append(str(error))
    return bad


def _check_borders(validation: Validation, root: ImageRoot) -> None:
    """Check that BasicSR's metrics leave something of each ground truth to measure."""
    sizes = [root.size(name) for name in spread(root.names, HEADERS)]
    smallest = min((min(size) for size in sizes if size is not None), default=None)
    for name, metric in validation.block("val", "metrics").items():
        border = metric.get("crop_border") if isinstance(metric, dict) else None
        if smallest is None or not isinstance(border, int) or metric.get("type") not in BORDERED_METRICS:
            continue
        if smallest <= 2 * border:
            message = f"{border} pixels at each border leave nothing of an image in {root.path}, {smallest} pixels wide"
            validation.error(("val", "metrics", name, "crop_border"), message, "write a smaller crop_border")


def dry_run_datasets(validation: Validation) -> None:
    """Build BasicSR's data sets of clips and faces, whose layouts are not known here; what they refuse is an error."""
    for phase, dataset in validation.datasets():
        name = dataset.get("type")
        is_known = bool(dataset_model(name).roots) or find(DATASETS, name) is None or is_foreign(DATASETS, name)
        if not is_known and not any(error.keys[:2] == ("datasets", phase) for error in validation.errors):
            _dry_run(validation, phase, dataset)


def _dry_run(validation: Validation, phase: str, dataset: Options) -> None:
    keys, item = ("datasets", phase), find(DATASETS, dataset.get("type"))
    opt = {"scale": validation.opt.get("scale"), **deepcopy(dataset), "phase": phase.split("_")[0]}
    opt.setdefault("io_backend", {"type": "disk"})
    logging.disable(logging.INFO)
    try:
        item(opt)
    except KeyError as error:
        key = str(error.args[0])
        message = f"{key} is missing; {item.__name__} reads it"
        validation.error((*keys, key), message, f"add {key} below datasets: {phase}")
    except (ValueError, TypeError, AttributeError, LookupError, OSError, AssertionError, NotImplementedError) as error:
        validation.error(keys, f"{item.__name__} refuses these options: {error}", "correct them")
    finally:
        logging.disable(logging.NOTSET)

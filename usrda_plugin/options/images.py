"""The images themselves: readable, in pairs, and large enough for patches and for what metrics leave out.

So that large sets cost little, at most ``HEADERS`` images of a root, evenly spread, have their first and last bytes
read, and of these as many are decoded as have ``DECODED`` pixels together. Small sets are looked at completely.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from string import Formatter

from usrda_plugin.data.camera import PATCH
from usrda_plugin.data.images import MissingImagesError
from usrda_plugin.data.patches import FOR_PATCHES, least_side, room_for_camera
from usrda_plugin.data.pictures import UnreadableError, decode_picture
from usrda_plugin.options.components import DATASETS, find, is_foreign
from usrda_plugin.options.image_sources import (
    HEADERS,
    ImageRoot,
    Size,
    is_ours,
    open_root,
    read_list,
    report_no_images,
    spread,
)
from usrda_plugin.options.schema_data import dataset_model
from usrda_plugin.options.validation import Keys, Options, Validation, some

DECODED = 20_000_000
BORDERED_METRICS = ("calculate_psnr", "calculate_ssim")
Pairs = list[tuple[str, str]]


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
    pairs = _pair_up(validation, phase, dataset, roots)
    for root in roots.values():
        _check_root(validation, root, *_least(validation, phase, dataset, root))
    if pairs:
        _check_pair_sizes(validation, phase, dataset, roots, pairs)
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


def _pair_up(validation: Validation, phase: str, dataset: Options, roots: dict[str, ImageRoot]) -> Pairs:
    """The names of GT and LQ images that belong together; empty, and an error reported, where they do not match.

    Of the LQ images the partners alone are left to be looked at.
    """
    gt, lq = roots.get("dataroot_gt"), roots.get("dataroot_lq")
    if gt is None or lq is None:
        return []
    kind, listed = str(dataset.get("type")), dataset.get("meta_info")
    if not is_ours(dataset) and gt.shapes is not None:
        return _equal_keys(validation, gt, lq)
    if kind == "RealESRGANPairedDataset" and listed:
        return _listed_pairs(validation, ("datasets", phase, "meta_info"), Path(listed), gt, lq)
    if not _is_template(dataset.get("filename_tmpl", "{}")):
        message = f"expected text with {{}} for a name without its ending, found {dataset['filename_tmpl']!r}"
        validation.error(("datasets", phase, "filename_tmpl"), message, "write e.g. '{}x4', in quotes")
        return []
    by_template = _partners_of_ours if is_ours(dataset) else _pairs_by_template
    return by_template(validation, dataset, gt, lq)


def _is_template(text: str) -> bool:
    """Whether the fields of a template are plain ones: others fail for every name, or give gigabytes of blanks."""
    try:
        fields = [(name, spec, conversion) for _, name, spec, conversion in Formatter().parse(text) if name is not None]
    except ValueError:
        return False
    return all(name in ("", "0") and not spec and not conversion for name, spec, conversion in fields)


def _partners_of_ours(validation: Validation, dataset: Options, gt: ImageRoot, lq: ImageRoot) -> Pairs:
    assert gt.source is not None
    try:
        found = gt.source.partners(lq.path, dataset.get("filename_tmpl") or "{}")
    except MissingImagesError as error:
        if lq.names:
            validation.error(lq.keys, error.message, error.remedy)
        else:
            report_no_images(validation, lq)
        lq.names = []
        return []
    lq.names = list(found.entries)
    return list(zip(gt.names, lq.names, strict=True))


def _pairs_by_template(validation: Validation, dataset: Options, gt: ImageRoot, lq: ImageRoot) -> Pairs:
    """Pairs of a folder, or of a list, by ``filename_tmpl``, as BasicSR makes them."""
    template, is_listed = dataset.get("filename_tmpl", "{}"), bool(dataset.get("meta_info_file"))
    empty = [root for root in (gt, lq) if not root.names]
    if empty and not is_listed:
        report_no_images(validation, empty[0])
        return []
    pairs = [(name, _partner(name, template)) for name in gt.names]
    there = {partner for _, partner in pairs if (lq.path / partner).is_file()} if is_listed else set(lq.names)
    lonely = [name for name, partner in pairs if partner not in there]
    if lonely:
        remedy = f"give them partners named by filename_tmpl {template!r}, or correct the root"
        _report_lonely(validation, lq.keys, lonely, gt, lq, remedy)
        return []
    if len(gt.names) != len(lq.names) and not is_listed:
        message = f"{len(lq.names)} images in {lq.path}, but {len(gt.names)} in {gt.path}"
        validation.error(lq.keys, message, "remove what has no partner; BasicSR wants as many of one as of the other")
        return []
    lq.names = [partner for _, partner in pairs]
    return pairs


def _partner(name: str, template: str) -> str:
    stem, suffix = os.path.splitext(os.path.basename(name))  # noqa: PTH119, PTH122 - as BasicSR has it
    return template.format(stem) + suffix


def _equal_keys(validation: Validation, gt: ImageRoot, lq: ImageRoot) -> Pairs:
    """The keys that both LMDBs have, by which BasicSR pairs them."""
    for root, other in ((gt, lq), (lq, gt)):
        lonely = sorted({*root.names} - {*other.names})
        if lonely:
            remedy = "make both LMDBs of the same names: BasicSR pairs equal keys, whatever filename_tmpl says"
            _report_lonely(validation, lq.keys, lonely, root, other, remedy)
            return []
    return [(name, name) for name in gt.names]


def _report_lonely(
    validation: Validation, keys: Keys, lonely: Sequence[str], root: ImageRoot, other: ImageRoot, remedy: str
) -> None:
    lacking = f"{len(lonely)} of {len(root.names)} images of {root.path} have no partner in {other.path}"
    validation.error(keys, f"{lacking}: {some(lonely)}", remedy)


def _listed_pairs(validation: Validation, keys: Keys, file: Path, gt: ImageRoot, lq: ImageRoot) -> Pairs:
    """The pairs of a list of lines `gt image, lq image`."""
    lines = read_list(validation, keys, file)
    if lines is None:
        return []
    split = [line.strip().split(", ") for line in lines]
    odd = [", ".join(parts) or "an empty line" for parts in split if len(parts) != 2]
    if odd:
        message = f"{len(odd)} lines are not `gt image, lq image`: {some(odd)}"
        validation.error(keys, message, "write both, with a comma and a space between")
        return []
    named = [(gt, [parts[0] for parts in split]), (lq, [parts[1] for parts in split])]
    absent = [name for root, names in named for name in names if not (root.path / name).is_file()]
    if absent:
        message = f"{len(absent)} images that it lists are not there: {some(absent)}"
        validation.error(keys, message, "correct the list or the roots")
        return []
    for root, names in named:
        root.names = names
    return list(zip(gt.names, lq.names, strict=True))


def _check_pair_sizes(
    validation: Validation, phase: str, dataset: Options, roots: dict[str, ImageRoot], pairs: Pairs
) -> None:
    """Check that the images of each pair differ by the scale."""
    scale = validation.opt.get("scale")
    if not isinstance(scale, int):
        return
    gt, lq = roots["dataroot_gt"], roots["dataroot_lq"]
    chosen = spread(pairs, HEADERS)
    # of BasicSR's, one cuts no remainder off, and the others in validation alone
    is_paired = dataset_model(dataset.get("type")).__name__ == "RealESRGANPairedDataset"
    exact = not is_ours(dataset) and (phase == "train" or is_paired)
    unfitting = []
    for left, right in chosen:
        large, small = gt.size(left), lq.size(right)
        if large and small and not _fits(large, small, scale, exact=exact):
            unfitting.append(f"{left} is {large[0]}x{large[1]}, its partner {small[0]}x{small[1]}")
    if unfitting:
        message = f"{len(unfitting)} of {len(chosen)} pairs do not differ by scale {scale}: {some(unfitting)}"
        validation.error(lq.keys, message, "correct scale, or the roots, or cut the images to fit", further=True)


def _fits(large: Size, small: Size, scale: int, *, exact: bool) -> bool:
    """Whether a pair differs by ``scale``; where not ``exact``, BasicSR and our data sets cut a remainder off."""
    sides = list(zip(large, small, strict=True))
    if exact:
        return all(long == short * scale for long, short in sides)
    return all(long >= short * scale and round(long / short) == scale for long, short in sides)


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

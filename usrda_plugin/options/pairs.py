"""Pairs of ground truth and input images: partners by name, and sizes that differ by the scale."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from string import Formatter

from usrda_plugin.options.image_sources import HEADERS, ImageRoot, Size, is_ours, read_list, report_no_images, spread
from usrda_plugin.options.schema_data import dataset_model
from usrda_plugin.options.validation import Keys, Options, Validation, some

Pairs = list[tuple[str, str]]


def pair_up(validation: Validation, phase: str, dataset: Options, roots: dict[str, ImageRoot]) -> Pairs:
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
    from usrda_plugin.data.images import MissingImagesError

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


def check_pair_sizes(
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

"""Pairs of ground truth and input images: partners by name, and sizes that differ by the scale."""

from __future__ import annotations

from pathlib import Path
from string import Formatter

from usrda_plugin.options import basicsr_roots
from usrda_plugin.options.basicsr_roots import Pairs
from usrda_plugin.options.faults import some
from usrda_plugin.options.image_root import HEADERS, ImageRoot, Size, spread
from usrda_plugin.options.image_sources import is_ours
from usrda_plugin.options.schema_data import dataset_model
from usrda_plugin.options.validation import Options, Review


def pair_up(review: Review, phase: str, dataset: Options, roots: dict[str, ImageRoot]) -> Pairs:
    """The names of GT and LQ images that belong together; empty, and a fault reported, where they do not match.

    Of the LQ images the partners alone are left to be looked at.
    """
    gt, lq = roots.get("dataroot_gt"), roots.get("dataroot_lq")
    if gt is None or lq is None:
        return []
    kind, listed = str(dataset.get("type")), dataset.get("meta_info")
    if not is_ours(dataset) and gt.shapes is not None:
        return basicsr_roots.equal_keys(review, gt, lq)
    if kind == "RealESRGANPairedDataset" and listed:
        return basicsr_roots.listed_pairs(review, ("datasets", phase, "meta_info"), Path(listed), gt, lq)
    if not _is_template(dataset.get("filename_tmpl", "{}")):
        message = f"expected text with {{}} for a name without its ending, found {dataset['filename_tmpl']!r}"
        review.fault(("datasets", phase, "filename_tmpl"), message, "write e.g. '{}x4', in quotes")
        return []
    by_template = _ask_ours if is_ours(dataset) else basicsr_roots.pairs_by_template
    return by_template(review, dataset, gt, lq)


def _is_template(text: str) -> bool:
    """Whether the fields of a template are plain ones: others fail for every name, or give gigabytes of blanks."""
    try:
        fields = [(name, spec, conversion) for _, name, spec, conversion in Formatter().parse(text) if name is not None]
    except ValueError:
        return False
    return all(name in ("", "0") and not spec and not conversion for name, spec, conversion in fields)


def _ask_ours(review: Review, dataset: Options, gt: ImageRoot, lq: ImageRoot) -> Pairs:
    from usrda_plugin.data.images import MissingImagesError

    assert gt.source is not None
    try:
        found = gt.source.partners(lq.path, dataset.get("filename_tmpl") or "{}")
    except MissingImagesError as error:
        if lq.names:
            review.fault(lq.keys, error.message, error.remedy)
        else:
            basicsr_roots.tell_nothing(review, lq)
        lq.names = []
        return []
    lq.names = list(found.entries)
    return list(zip(gt.names, lq.names, strict=True))


def check_pair_sizes(review: Review, phase: str, dataset: Options, roots: dict[str, ImageRoot], pairs: Pairs) -> None:
    scale = review.opt.get("scale")
    if not isinstance(scale, int):
        return
    gt, lq = roots["dataroot_gt"], roots["dataroot_lq"]
    chosen = spread(pairs, HEADERS)
    # of BasicSR's, one cuts no remainder off, and the others in validation alone
    exact = not is_ours(dataset) and (
        phase == "train" or dataset_model(dataset.get("type")).__name__ == "RealESRGANPairedDataset"
    )
    misfits = []
    for left, right in chosen:
        large, small = gt.size(left), lq.size(right)
        if large and small and not _fits(large, small, scale, exact=exact):
            misfits.append(f"{left} is {large[0]}x{large[1]}, its partner {small[0]}x{small[1]}")
    if misfits:
        message = f"{len(misfits)} of {len(chosen)} pairs do not differ by scale {scale}: {some(misfits)}"
        review.fault(lq.keys, message, "correct scale, or the roots, or cut the images to fit", further=True)


def _fits(large: Size, small: Size, scale: int, *, exact: bool) -> bool:
    """Whether a pair differs by ``scale``; where not ``exact``, BasicSR and our data sets cut a remainder off."""
    sides = list(zip(large, small, strict=True))
    if exact:
        return all(long == short * scale for long, short in sides)
    return all(long >= short * scale and round(long / short) == scale for long, short in sides)

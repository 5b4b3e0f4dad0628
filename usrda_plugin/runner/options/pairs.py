"""Pairs of ground truth and input images: partners by name, and sizes that differ by the scale."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from usrda_plugin.runner.options.faults import some
from usrda_plugin.runner.options.image_root import HEADERS, ImageRoot, Size, spread
from usrda_plugin.runner.options.lists import read_list
from usrda_plugin.runner.options.review import Options, Review
from usrda_plugin.runner.options.schema_data import dataset_model

Pairs = list[tuple[str, str]]


def pair_up(review: Review, phase: str, dataset: Options, roots: dict[str, ImageRoot]) -> Pairs:
    """The names of GT and LQ images that belong together; empty, and a fault reported, where they do not match."""
    if "dataroot_gt" not in roots or "dataroot_lq" not in roots:
        return []
    gt, lq = roots["dataroot_gt"], roots["dataroot_lq"]
    kind = dataset_model(dataset.get("type")).__name__
    if kind == "RealESRGANPairedDataset" and dataset.get("meta_info") and gt.shapes is None:
        return _listed_pairs(review, phase, dataset, gt, lq)
    template = str(dataset.get("filename_tmpl") or "{}") if gt.shapes is None or kind.startswith("USRDA") else "{}"
    partners = _by_stem(lq.names) if kind.startswith("USRDA") else {name: name for name in lq.names}
    pairs, lonely = [], []
    for name in gt.names:
        partner = _partner(name, template, partners, by_stem=kind.startswith("USRDA"))
        if partner is None:
            lonely.append(name)
        else:
            pairs.append((name, partner))
    if lonely:
        message = f"{len(lonely)} of {len(gt.names)} images of {gt.path} have no partner in {lq.path}: {some(lonely)}"
        review.fault(lq.keys, message, f"give them partners named by filename_tmpl {template!r}, or correct the root")
        return []
    if len(gt.names) != len(lq.names) and not dataset.get("meta_info_file") and not kind.startswith("USRDA"):
        message = f"{len(lq.names)} images in {lq.path}, but {len(gt.names)} in {gt.path}"
        review.fault(lq.keys, message, "remove what has no partner; BasicSR wants as many of one as of the other")
    return pairs


def _partner(name: str, template: str, partners: dict[str, str], *, by_stem: bool) -> str | None:
    from usrda_plugin.data.layout import partner_stems

    path = PurePosixPath(name)
    try:
        stems = partner_stems(path.stem, template)
    except (IndexError, KeyError, ValueError):
        return None  # a template that says something else than {}
    if by_stem:
        names = [str(path.with_name(stem)) for stem in stems]
        return next((partners[partner] for partner in names if partner in partners), None)
    return partners.get(stems[0] + path.suffix)


def _by_stem(names: Sequence[str]) -> dict[str, str]:
    return {str(PurePosixPath(name).with_suffix("")): name for name in names}


def _listed_pairs(review: Review, phase: str, dataset: Options, gt: ImageRoot, lq: ImageRoot) -> Pairs:
    keys = ("datasets", phase, "meta_info")
    lines = read_list(review, keys, Path(dataset["meta_info"]), gaps=False) or []
    split = [line.split(", ") for line in lines]
    odd = [", ".join(parts) for parts in split if len(parts) != 2]
    if odd:
        review.fault(
            keys,
            f"{len(odd)} lines are not `gt image, lq image`: {some(odd)}",
            "write both, with a comma and a space between",
        )
        return []
    pairs = [(left, right) for left, right in split]
    absent = [
        name
        for root, side in ((gt, 0), (lq, 1))
        for name in (p[side] for p in pairs)
        if not (root.path / name).is_file()
    ]
    if absent:
        review.fault(
            keys, f"{len(absent)} images that it lists are not there: {some(absent)}", "correct the list or the roots"
        )
        return []
    gt.names, lq.names = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return pairs


def check_pair_sizes(review: Review, phase: str, dataset: Options, roots: dict[str, ImageRoot], pairs: Pairs) -> None:
    scale = review.opt.get("scale")
    if not isinstance(scale, int):
        return
    gt, lq = roots["dataroot_gt"], roots["dataroot_lq"]
    chosen = spread(pairs, HEADERS)
    kind = dataset_model(dataset.get("type")).__name__
    # of BasicSR's, one cuts no remainder off, and the others in validation alone
    exact = not kind.startswith("USRDA") and (phase == "train" or kind == "RealESRGANPairedDataset")
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

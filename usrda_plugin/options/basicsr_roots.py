"""Which images BasicSR's data sets take, and which of them it pairs.

Its own functions stop at the first fault and take time that grows with the square of the number of images, so their
rules stand here again; ``tests/options/test_options_agree.py`` holds these against those.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from usrda_plugin.options.faults import Keys, some
from usrda_plugin.options.image_root import ImageRoot
from usrda_plugin.options.validation import Options, Review

Pairs = list[tuple[str, str]]
# how a data set takes a line apart; others take blanks from both of its ends
STRIPS: dict[str, Callable[[str], str]] = {"SingleImageDataset": str.rstrip}


def list_folder(path: Path) -> list[str]:
    """Every file, whatever its ending; a link that leads nowhere too, so that it is named."""
    from usrda_plugin.data.backends import is_hidden, is_listed

    with os.scandir(path) as entries:
        return sorted(e.name for e in entries if not is_hidden(e.name) and is_listed(Path(e.path)))


def read_list(review: Review, keys: Keys, file: Path) -> list[str] | None:
    """The lines of a list file; None, and a fault reported, where there are none."""
    try:
        lines = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        remedy = "correct the path, or remove the key to take all images"
        review.fault(keys, f"cannot read the list {file}: {reason}", remedy)
        return None
    if not "".join(lines).strip():
        review.fault(keys, f"the list {file} names no image", "write one image a line")
        return None
    return lines


def listed_part(review: Review, keys: Keys, file: Path, root: ImageRoot, kind: str) -> ImageRoot | None:
    """The part of a folder that a list file names; None, and a fault reported, where it names what is not there."""
    lines = read_list(review, keys, file)
    if lines is None:
        return None
    root.names = [STRIPS.get(kind, str.strip)(line).split(" ")[0] for line in lines]
    if "" in root.names:
        message = f"line {root.names.index('') + 1} of {file} is empty, which BasicSR takes for an image"
        review.fault(keys, message, "remove empty lines, and blanks before a name")
        return None
    absent = {name for name in root.names if not (root.path / name).is_file()}
    if absent:
        listed = some([name for name in root.names if name in absent])
        message = f"{len(absent)} of {len(root.names)} images that {file} lists are not in {root.path}: {listed}"
        unfound = [line for line, name in zip(lines, root.names, strict=True) if name in absent]
        review.fault(keys, message, remedy_of_list(unfound))
        return None
    return root


def tell_nothing(review: Review, root: ImageRoot, message: str = "") -> None:
    """Report a root without images, with its subfolders."""
    folders = sorted(entry.name for entry in root.path.iterdir() if entry.is_dir())
    remedy = f"its subfolders are not searched; perhaps one of them: {some(folders)}"
    message = message or f"there is no image in {root.path}"
    review.fault(root.keys, message, remedy if folders else "put images there, or correct the path")


def remedy_of_list(unfound: Sequence[str]) -> str:
    """What to do about a list, by those of its lines that name what is not there."""
    if any(line.startswith("\ufeff") for line in unfound):
        return "save the list as UTF-8 without a byte order mark"
    # more than a shape such as (480,480,3) or a compression level follows the first space
    spaced = [line for line in unfound if not re.fullmatch(r"\S+( +(\(.*\)|\d+))*", line.strip(" "))]
    if not spaced:
        return "correct the list (paths in it start at the root), or the root"
    remedy = f"a name ends at the first space, so names with spaces cannot be listed ({some(spaced, 1)}); rename them"
    return f"{remedy}, and write a space, no tab, after a name" if any("\t" in line for line in spaced) else remedy


def pairs_by_template(review: Review, dataset: Options, gt: ImageRoot, lq: ImageRoot) -> Pairs:
    """Pairs of a folder, or of a list, by ``filename_tmpl``; empty, and a fault reported, where an image has none."""
    template, is_listed = dataset.get("filename_tmpl", "{}"), bool(dataset.get("meta_info_file"))
    empty = [root for root in (gt, lq) if not root.names]
    if empty and not is_listed:
        tell_nothing(review, empty[0])
        return []
    pairs = [(name, _partner(name, template)) for name in gt.names]
    there = {partner for _, partner in pairs if (lq.path / partner).is_file()} if is_listed else set(lq.names)
    lonely = [name for name, partner in pairs if partner not in there]
    if lonely:
        remedy = f"give them partners named by filename_tmpl {template!r}, or correct the root"
        _tell_lonely(review, lq.keys, lonely, gt, lq, remedy)
        return []
    if len(gt.names) != len(lq.names) and not is_listed:
        message = f"{len(lq.names)} images in {lq.path}, but {len(gt.names)} in {gt.path}"
        review.fault(lq.keys, message, "remove what has no partner; BasicSR wants as many of one as of the other")
        return []
    lq.names = [partner for _, partner in pairs]
    return pairs


def _tell_lonely(
    review: Review, keys: Keys, lonely: Sequence[str], root: ImageRoot, other: ImageRoot, remedy: str
) -> None:
    message = (
        f"{len(lonely)} of {len(root.names)} images of {root.path} have no partner in {other.path}: {some(lonely)}"
    )
    review.fault(keys, message, remedy)


def _partner(name: str, template: str) -> str:
    stem, suffix = os.path.splitext(os.path.basename(name))  # noqa: PTH119, PTH122 - as BasicSR has it
    return template.format(stem) + suffix


def equal_keys(review: Review, gt: ImageRoot, lq: ImageRoot) -> Pairs:
    """The keys that both LMDBs have; empty, and a fault reported, where one has others."""
    for root, other in ((gt, lq), (lq, gt)):
        lonely = sorted({*root.names} - {*other.names})
        if lonely:
            remedy = "make both LMDBs of the same names: BasicSR pairs equal keys, whatever filename_tmpl says"
            _tell_lonely(review, lq.keys, lonely, root, other, remedy)
            return []
    return [(name, name) for name in gt.names]


def listed_pairs(review: Review, keys: Keys, file: Path, gt: ImageRoot, lq: ImageRoot) -> Pairs:
    """The pairs of a list of lines `gt image, lq image`; empty, and a fault reported, where it is none."""
    lines = read_list(review, keys, file)
    if lines is None:
        return []
    split = [line.strip().split(", ") for line in lines]
    odd = [", ".join(parts) or "an empty line" for parts in split if len(parts) != 2]
    if odd:
        message = f"{len(odd)} lines are not `gt image, lq image`: {some(odd)}"
        review.fault(keys, message, "write both, with a comma and a space between")
        return []
    pairs = [(left, right) for left, right in split]
    absent = [
        name for root, names in zip((gt, lq), zip(*pairs, strict=True), strict=True) for name in names
        if not (root.path / name).is_file()
    ]  # fmt: skip
    if absent:
        message = f"{len(absent)} images that it lists are not there: {some(absent)}"
        review.fault(keys, message, "correct the list or the roots")
        return []
    gt.names, lq.names = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return pairs

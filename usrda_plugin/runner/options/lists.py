"""List files: which images of a root they name."""

from __future__ import annotations

import re
from pathlib import Path

from usrda_plugin.runner.options.faults import Keys, some
from usrda_plugin.runner.options.image_root import ImageRoot
from usrda_plugin.runner.options.review import Review


def read_list(review: Review, keys: Keys, file: Path, *, gaps: bool) -> list[str] | None:
    """The lines of a list file; None, and a fault reported, where there are none. ``gaps``: empty lines do no harm."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        review.fault(
            keys, f"cannot read the list {file}: {reason}", "correct the path, or remove the key to take all images"
        )
        return None
    if not gaps and "" in lines:
        message = f"line {lines.index('') + 1} of {file} is empty, which BasicSR takes for an image"
        review.fault(keys, message, "remove empty lines")
    lines = [line for line in lines if line]
    if not lines:
        review.fault(keys, f"the list {file} names no image", "write one image a line")
        return None
    return lines


def listed_part(review: Review, keys: Keys, file: Path, root: ImageRoot, *, ours: bool) -> ImageRoot | None:
    """The part of a root that a list file names."""
    if root.shapes is not None and not ours:
        return root  # BasicSR reads no list where there is an LMDB
    from usrda_plugin.data.stores import listed_name

    lines = read_list(review, keys, file, gaps=ours)
    if lines is None:
        return None
    names = [listed_name(line) for line in lines]
    if root.shapes is not None:
        names = [name.split(".")[0] for name in names]
        there = set(root.names)
        absent = [name for name in names if name not in there]
    else:
        absent = [name for name in names if not (root.path / name).is_file()]
    if absent:
        message = f"{len(absent)} of {len(names)} images that {file} lists are not in {root.path}: {some(absent)}"
        spaced = [line for line in lines if listed_name(line) in set(absent) and _has_space(line)]
        remedy = (
            f"a name ends at the first space, so names with spaces cannot be listed ({some(spaced, 1)}); rename them"
            if spaced
            else "correct the list (paths in it start at the root), or the root"
        )
        review.fault(keys, message, remedy)
        return None
    return ImageRoot(root.keys, root.domain, root.path, names, root.shapes)


def _has_space(line: str) -> bool:
    """Whether more than a shape such as ``(480,480,3)`` or a compression level follows the first space."""
    return re.fullmatch(r"\S+(\s+(\(.*\)|\d+))*", line) is None

"""An LMDB as a root: whether it can be read at all, and what its list says."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from usrda_plugin.options.basicsr_roots import read_list
from usrda_plugin.options.faults import Keys, some
from usrda_plugin.options.image_root import Shapes, Size
from usrda_plugin.options.validation import Review

SHAPE = re.compile(r"\((\d+),\s*(\d+)")


def lmdb_shapes(review: Review, keys: Keys, path: Path, *, skips_blank_lines: bool) -> Shapes | None:
    """The size of each image of an LMDB by its list; None, and a fault reported, where it cannot be read."""
    lacking = [name for name in ("data.mdb", "meta_info.txt") if not (path / name).is_file()]
    if lacking:
        review.fault(
            keys, f"{path} is no LMDB of images: {' and '.join(lacking)} lacking", "make it again, or give a folder"
        )
        return None
    lines = read_list(review, keys, path / "meta_info.txt")
    if lines is None:
        return None
    blank = [number for number, line in enumerate(lines, start=1) if not line.strip()]
    if blank and not skips_blank_lines:
        message = f"line {blank[0]} of {path / 'meta_info.txt'} is empty, which BasicSR takes for an image"
        review.fault(keys, message, "remove empty lines")
        return None
    shapes = {line.split(".")[0]: _shape(line) for line in lines if line.strip()}
    faults = _faults(path, list(shapes))
    if faults:
        remedy = f"copy it or make it again; all its faults: usrda lmdb verify {path}"
        review.fault(keys, f"the LMDB {path} cannot be used: {some(faults)}", remedy)
        return None
    return shapes


def _faults(path: Path, names: Sequence[str]) -> list[str]:
    """What keeps LMDB from reading the file, or the keys that it lacks."""
    from usrda_plugin.data.backends import lmdb_environment
    from usrda_plugin.data.lmdb_tree import tree_faults

    try:
        faults = tree_faults(path / "data.mdb")
        environment = lmdb_environment(path)
    except (ValueError, OSError) as error:
        return [str(error)]
    if faults:  # LMDB would walk into them
        return faults
    with environment.begin() as transaction:
        stored = {bytes(key) for key in transaction.cursor().iternext(values=False)}
    absent = [name for name in names if name.encode() not in stored]
    return [f"{len(absent)} of {len(names)} images of its list are not stored: {some(absent)}"] if absent else []


def _shape(line: str) -> Size | None:
    found = SHAPE.search(line)
    return (int(found[1]), int(found[2])) if found else None

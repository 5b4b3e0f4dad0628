"""Where the pictures of a validation go: a folder for each data set, and in it a name for each image."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any
from zlib import crc32

LONGEST = 255 - len(".png.part")
"""Bytes that a file system leaves for a name without these endings."""


def picture_path(opt: Mapping[str, Any], dataset_name: str, name: str, current_iter: int | str) -> Path:
    """The file of an image, by its name from ``picture_names``.

    In training ``visualization/SET/NAME/NAME_ITER.png``; in testing ``visualization/SET/NAME_SUFFIX.png``, by
    ``val: suffix`` or else the run's name.
    """
    path = PurePath(name)
    folder = Path(opt["path"]["visualization"], dataset_name, path.parent)
    if opt["is_train"]:
        return folder / _fitting(path.name) / f"{_fitting(path.name, f'_{current_iter}')}.png"
    return folder / f"{_fitting(path.name, '_' + str(opt['val'].get('suffix') or opt['name']))}.png"


def lq_paths(dataset: Any) -> list[str] | None:
    """The paths of a data set's LR images in its order, where it can tell them without reading; else None."""
    if hasattr(dataset, "lq_paths"):
        return [str(path) for path in dataset.lq_paths()]
    paths = getattr(dataset, "paths", None)
    if not isinstance(paths, list) or len(paths) != len(dataset):
        return None
    told = [path.get("lq_path") if isinstance(path, dict) else path for path in paths]
    return [str(path) for path in told] if all(isinstance(path, str) for path in told) else None


def picture_names(paths: Sequence[str]) -> list[str]:
    """A name for each image, no two the same also where case does not count.

    It is the file's name without its suffix, as BasicSR has it. Images for which that is the same have their folders
    before it, from the one that holds all of them; then their suffixes; and at last a number.
    """
    root = os.path.commonpath([str(PurePath(path).parent) for path in paths]) if paths else ""
    within = [_within(path, root) for path in paths]
    names = [path.stem for path in within]
    for longer in ([str(path.with_suffix("")) for path in within], [str(path) for path in within]):
        met = Counter(name.casefold() for name in names)
        names = [more if met[name.casefold()] > 1 else name for name, more in zip(names, longer, strict=True)]
    taken: set[str] = set()
    return [unused(name, taken) for name in names]


def unused(name: str, taken: set[str]) -> str:
    """The name, or the name with the first number that is not ``taken``, to which it is added."""
    number, candidate = 1, name
    while candidate.casefold() in taken:
        number += 1
        candidate = f"{name}_{number}"
    taken.add(candidate.casefold())
    return candidate


def _within(path: str, root: str) -> PurePath:
    """A path below ``root``, and never above it."""
    inside = PurePath(os.path.relpath(path, root) if root else path)
    parts = [part for part in inside.parts if part not in ("..", inside.anchor)]
    return PurePath(*parts) if parts else PurePath("_")


def _fitting(name: str, tail: str = "") -> str:
    """Name and tail, of a name that is too long for a file only the beginning and a checksum."""
    whole = os.fsencode(name)
    room = LONGEST - len(os.fsencode(tail))
    if len(whole) <= room:
        return name + tail
    return f"{whole[: room - 9].decode(errors='ignore')}~{crc32(whole):08x}{tail}"

"""The pictures of a validation: PNG files written by background threads, and where they go.

A folder for each data set, and in it a name for each image.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path, PurePath
from types import TracebackType
from typing import Any
from zlib import crc32

import cv2
from torch import Tensor

from usrda_plugin.metrics import picture_of
from usrda_plugin.weights.writing import SaveError

LONGEST = 255 - len(".png.part")
"""Bytes that a file system leaves for a name without these endings."""
THREADS = min(4, os.cpu_count() or 1)
WAITING = 2 * THREADS
"""Pictures that may wait to be written; whoever brings another waits for the oldest."""


class PictureWriter:
    """A context in which pictures are written behind the caller's back, and at whose end all of them are there.

    A file appears under its name when it is whole. What fails is raised by a later ``write`` or at the end: SaveError
    that names the file.
    """

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="picture-writer")
        self.waiting: dict[Path, Future[None]] = {}

    def write(self, path: Path, levels: Tensor) -> None:
        """Write levels (C, H, W), RGB or gray uint8 on any device, to a PNG file, whose folder is made."""
        if path in self.waiting:
            self.waiting.pop(path).result()  # two images of one name: the later stays, as in a loop
        while len(self.waiting) >= WAITING:
            self.waiting.pop(next(iter(self.waiting))).result()
        self.waiting[path] = self.threads.submit(write_png, path, levels)

    def __enter__(self) -> PictureWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.threads.shutdown(wait=True)
        if error is None:
            for written in self.waiting.values():
                written.result()


def write_png(path: Path, levels: Tensor) -> None:
    """Write levels (C, H, W) to a PNG file by way of a temporary name. Raises SaveError that names the file."""
    partial = path.with_name(f"{path.name}.part")
    try:
        _, content = cv2.imencode(".png", picture_of(levels))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content.tobytes())
        partial.replace(path)
    except (OSError, cv2.error) as error:
        with suppress(OSError):  # of a folder that is not there either
            partial.unlink(missing_ok=True)
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise SaveError(f"{path}: the picture could not be written: {reason}") from error


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

"""What lies in the roots of a data set: which images a folder, an LMDB or a list file names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from PIL import Image, UnidentifiedImageError

from usrda_plugin.runner.options.faults import Keys, some
from usrda_plugin.runner.options.review import Options, Review
from usrda_plugin.runner.options.schema_data import Root

HEADERS = 500  # images of a root that are looked at
Size = tuple[int, int]
Item = TypeVar("Item")
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)  # EXIF
SHAPE = re.compile(r"\((\d+),\s*(\d+)")


@dataclass
class ImageRoot:
    """The images of one root, by name, as an option at ``keys`` says.

    ``domain`` is ``hr`` or ``lr``. ``shapes``: (height, width) in pixels by an LMDB's list; None for a folder.
    """

    keys: Keys
    domain: str
    path: Path
    names: list[str]
    shapes: dict[str, Size] | None = None
    sizes: dict[str, Size | None] = field(default_factory=dict)

    def size(self, name: str) -> Size | None:
        """(height, width) of an image in pixels, upright, from its header; None where it is unreadable or unknown."""
        if self.shapes is not None:
            return self.shapes.get(name)
        if name not in self.sizes:
            self.sizes[name] = _size(self.path / name)
        return self.sizes[name]


def _size(file: Path) -> Size | None:
    from usrda_plugin.data.decoding import decode

    try:
        with Image.open(file) as image:
            # in a PNG the tag may stand behind the pixels, and looking for it would decode them
            sideways = image.format != "PNG" and image.getexif().get(ORIENTATION) in SIDEWAYS
            return (image.width, image.height) if sideways else (image.height, image.width)
    except (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError, OSError):
        pass  # Pillow does not know every format that OpenCV reads
    try:
        height, width, _ = decode(file.read_bytes(), str(file)).shape
    except (ValueError, OSError):
        return None
    return height, width


def open_root(review: Review, phase: str, root: Root, dataset: Options) -> ImageRoot | None:
    """List the images of a root; None, and a fault reported, where there is no such root or nothing in it."""
    keys, path = ("datasets", phase, root.key), Path(dataset[root.key])
    if not path.is_dir():
        what = "is a file" if path.exists() else "does not exist"
        remedy = (
            f"correct the path; it is looked for from {Path.cwd()}" if not path.is_absolute() else "correct the path"
        )
        review.fault(
            keys, f"expected {'an LMDB' if path.suffix == '.lmdb' else 'a folder of images'}, but {path} {what}", remedy
        )
        return None
    found = _list_lmdb(review, keys, path) if path.suffix == ".lmdb" else _list_folder(review, keys, path, dataset)
    if found is None:
        return None
    found.domain = root.domain
    meta_info = dataset.get(root.meta_info) if root.meta_info else None
    if isinstance(meta_info, str) and root.meta_info:
        return _listed(review, ("datasets", phase, root.meta_info), Path(meta_info), found, ours=_is_ours(dataset))
    if not found.names:
        review.fault(keys, f"there is no image in {path}", _where_else(path))
        return None
    return found


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of ``items``, evenly spread."""
    if len(items) <= most:
        return list(items)
    return [items[index * len(items) // most] for index in range(most)]


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


def _list_folder(review: Review, keys: Keys, path: Path, dataset: Options) -> ImageRoot:
    from usrda_plugin.data.stores import IMAGE_SUFFIXES

    # BasicSR takes every file for an image, our data sets those with an image's ending
    endings = IMAGE_SUFFIXES if _is_ours(dataset) else ("",)
    with os.scandir(path) as entries:
        names = [
            entry.name
            for entry in entries
            if not entry.name.startswith(".") and entry.name.lower().endswith(endings) and entry.is_file()
        ]
    return ImageRoot(keys, "", path, sorted(names))


def _list_lmdb(review: Review, keys: Keys, path: Path) -> ImageRoot | None:
    lacking = [name for name in ("data.mdb", "meta_info.txt") if not (path / name).is_file()]
    if lacking:
        review.fault(
            keys, f"{path} is no LMDB of images: {' and '.join(lacking)} lacking", "make it again, or give a folder"
        )
        return None
    lines = read_list(review, keys, path / "meta_info.txt", gaps=True)
    if lines is None:
        return None
    shapes = {line.split(".")[0]: _shape(line) for line in lines}
    known = {name: shape for name, shape in shapes.items() if shape is not None}
    return ImageRoot(keys, "", path, sorted(shapes), known)


def _shape(line: str) -> Size | None:
    found = SHAPE.search(line)
    return (int(found[1]), int(found[2])) if found else None


def _listed(review: Review, keys: Keys, file: Path, root: ImageRoot, *, ours: bool) -> ImageRoot | None:
    """The part of a root that a list file names."""
    if root.shapes is not None and not ours:
        return root  # BasicSR reads no list where there is an LMDB
    lines = read_list(review, keys, file, gaps=ours)
    if lines is None:
        return None
    names = [line.split()[0] for line in lines]
    if root.shapes is not None:
        names = [name.split(".")[0] for name in names]
        there = set(root.names)
        absent = [name for name in names if name not in there]
    else:
        absent = [name for name in names if not (root.path / name).is_file()]
    if absent:
        message = f"{len(absent)} of {len(names)} images that {file} lists are not in {root.path}: {some(absent)}"
        spaced = [line for line in lines if line.split()[0] in set(absent) and _has_space(line)]
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


def _is_ours(dataset: Options) -> bool:
    return str(dataset.get("type")).startswith("USRDA")


def _where_else(path: Path) -> str:
    folders = sorted(entry.name for entry in path.iterdir() if entry.is_dir())
    return (
        f"its subfolders are not searched; perhaps one of them: {some(folders)}"
        if folders
        else "put images there, or correct the path"
    )

"""What lies in a root of a data set: which images it takes from a folder, an LMDB or a list file, and their sizes.

Our data sets are asked themselves. BasicSR's own functions stop at the first fault and take time that grows with the
square of the number of images, so their rules stand here and in ``images.py``; tests hold these against those.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from usrda_plugin.data.backends import is_hidden, is_listed, lmdb_environment, open_store
from usrda_plugin.data.images import ImageSource, MissingImagesError
from usrda_plugin.data.lmdb_tree import tree_faults
from usrda_plugin.data.pictures import UnreadableError, upright_size
from usrda_plugin.options.schema_data import Root
from usrda_plugin.options.validation import Keys, Options, Validation, some

HEADERS = 5000  # images of a root that are looked at, each by its first and last bytes
SHAPE = re.compile(r"\((\d+),\s*(\d+)")
WRONG_LIST = "correct the path, or remove the key to take all images"
CORRECT_LIST = "correct the list (paths in it start at the root), or the root"
# how BasicSR's data sets take a line apart; others take blanks from both of its ends
STRIPS: dict[str, Callable[[str], str]] = {"SingleImageDataset": str.rstrip}
Size = tuple[int, int]
Item = TypeVar("Item")


@dataclass
class ImageRoot:
    """The images of one root, by name, as an option at ``keys`` says.

    ``domain`` is ``hr`` or ``lr``. ``shapes``: (height, width) in pixels by an LMDB's list, None where it does not say;
    None for a folder. ``source``: the same images as one of our data sets has them.
    ``reasons``: why an image that was looked at is of no use, by its name.
    """

    keys: Keys
    domain: str
    path: Path
    names: list[str]
    shapes: dict[str, Size | None] | None = None
    source: ImageSource | None = None
    sizes: dict[str, Size | None] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def size(self, name: str) -> Size | None:
        """(height, width) of an image in pixels, upright, from its header; None where it is unreadable."""
        if name not in self.sizes:
            self.sizes[name] = self._look(name)
        return self.sizes[name]

    def _look(self, name: str) -> Size | None:
        try:
            with open_store(self.path).open(name) as file:
                size = upright_size(file, name)
        except (ValueError, OSError) as error:
            told = error.reason if isinstance(error, UnreadableError) else getattr(error, "strerror", None)
            self.reasons[name] = f"{name}: {told or error}"
            return None
        said = (self.shapes or {}).get(name) or size
        if said != size:
            self.reasons[name] = f"{name} is {size[0]}x{size[1]}, but meta_info.txt says {said[0]}x{said[1]}"
            return None
        return size


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of ``items``, evenly spread."""
    if len(items) <= most:
        return list(items)
    return [items[index * len(items) // most] for index in range(most)]


def is_ours(dataset: Options) -> bool:
    """Whether it is a data set of this package."""
    return str(dataset.get("type")).startswith("USRDA")


def open_root(validation: Validation, phase: str, root: Root, dataset: Options) -> ImageRoot | None:
    """List the images of a root; None, and an error reported, where there is no such root or nothing in it."""
    keys, path = ("datasets", phase, root.key), Path(dataset[root.key])
    if not path.is_dir():
        _report_no_folder(validation, keys, path)
        return None
    found = ImageRoot(keys, root.domain, path, [])
    if path.suffix == ".lmdb":
        found.shapes = _lmdb_shapes(validation, keys, path, skips_blank_lines=is_ours(dataset))
        if found.shapes is None:
            return None
    file = dataset.get(root.meta_info) if root.meta_info else None
    meta_info = Path(file) if isinstance(file, str) else None
    list_keys = ("datasets", phase, root.meta_info or "")
    if root.pairs_with is None and is_ours(dataset):
        return _open_ours(validation, found, meta_info, list_keys)
    if root.pairs_with is None and meta_info is not None and found.shapes is None:  # an LMDB is read without a list
        return _listed_part(validation, list_keys, meta_info, found, str(dataset.get("type")))
    found.names = sorted(found.shapes) if found.shapes is not None else _list_folder(path)
    if not found.names and root.pairs_with is None:  # what a partner must have depends on the other root
        report_no_images(validation, found)
        return None
    return found


def _report_no_folder(validation: Validation, keys: Keys, path: Path) -> None:
    wanted = "an LMDB" if path.suffix == ".lmdb" else "a folder of images"
    what = "is a file" if path.exists() else "does not exist"
    start = "" if path.is_absolute() else f"; it is looked for from {Path.cwd()}"
    validation.error(keys, f"expected {wanted}, but {path} {what}", f"correct the path{start}")


def report_no_images(validation: Validation, root: ImageRoot, message: str = "") -> None:
    """Report a root without images, with its subfolders."""
    folders = sorted(entry.name for entry in root.path.iterdir() if entry.is_dir())
    remedy = f"its subfolders are not searched; perhaps one of them: {some(folders)}"
    message = message or f"there is no image in {root.path}"
    validation.error(root.keys, message, remedy if folders else "put images there, or correct the path")


def _open_ours(validation: Validation, root: ImageRoot, meta_info: Path | None, list_keys: Keys) -> ImageRoot | None:
    try:
        root.source = ImageSource.open(root.path, meta_info)
    except MissingImagesError as error:
        validation.error(list_keys, str(error), CORRECT_LIST)  # whatever is in a line: our names may have spaces
        return None
    except (ValueError, OSError) as error:
        if meta_info is not None:
            validation.error(list_keys, f"cannot read the list {meta_info}: {error}", WRONG_LIST)
        else:
            report_no_images(validation, root, str(error))
        return None
    root.names = list(root.source.entries)
    return root


def _list_folder(path: Path) -> list[str]:
    """Every file, whatever its ending; a link that leads nowhere too, so that it is named."""
    with os.scandir(path) as entries:
        return sorted(e.name for e in entries if not is_hidden(e.name) and is_listed(Path(e.path)))


def read_list(validation: Validation, keys: Keys, file: Path) -> list[str] | None:
    """The lines of a list file; None, and an error reported, where there are none."""
    try:
        lines = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        validation.error(keys, f"cannot read the list {file}: {reason}", WRONG_LIST)
        return None
    if not "".join(lines).strip():
        validation.error(keys, f"the list {file} names no image", "write one image a line")
        return None
    return lines


def _listed_part(validation: Validation, keys: Keys, file: Path, root: ImageRoot, kind: str) -> ImageRoot | None:
    """The part of a folder that a list file names; None, and an error reported, where it names what is not there."""
    lines = read_list(validation, keys, file)
    if lines is None:
        return None
    root.names = [STRIPS.get(kind, str.strip)(line).split(" ")[0] for line in lines]
    if "" in root.names:
        message = f"line {root.names.index('') + 1} of {file} is empty, which BasicSR takes for an image"
        validation.error(keys, message, "remove empty lines, and blanks before a name")
        return None
    absent = {name for name in root.names if not (root.path / name).is_file()}
    if absent:
        listed = some([name for name in root.names if name in absent])
        message = f"{len(absent)} of {len(root.names)} images that {file} lists are not in {root.path}: {listed}"
        unfound = [line for line, name in zip(lines, root.names, strict=True) if name in absent]
        validation.error(keys, message, _remedy_of_list(unfound))
        return None
    return root


def _remedy_of_list(unfound: Sequence[str]) -> str:
    """What to do about a list, by those of its lines that name what is not there."""
    if any(line.startswith("\ufeff") for line in unfound):
        return "save the list as UTF-8 without a byte order mark"
    # more than a shape such as (480,480,3) or a compression level follows the first space
    spaced = [line for line in unfound if not re.fullmatch(r"\S+( +(\(.*\)|\d+))*", line.strip(" "))]
    if not spaced:
        return CORRECT_LIST
    remedy = f"a name ends at the first space, so names with spaces cannot be listed ({some(spaced, 1)}); rename them"
    return f"{remedy}, and write a space, no tab, after a name" if any("\t" in line for line in spaced) else remedy


def _lmdb_shapes(
    validation: Validation, keys: Keys, path: Path, *, skips_blank_lines: bool
) -> dict[str, Size | None] | None:
    """The size of each image of an LMDB by its list; None, and an error reported, where it cannot be read."""
    lacking = [name for name in ("data.mdb", "meta_info.txt") if not (path / name).is_file()]
    if lacking:
        message = f"{path} is no LMDB of images: {' and '.join(lacking)} lacking"
        validation.error(keys, message, "make it again, or give a folder")
        return None
    lines = read_list(validation, keys, path / "meta_info.txt")
    if lines is None:
        return None
    blank = [number for number, line in enumerate(lines, start=1) if not line.strip()]
    if blank and not skips_blank_lines:
        message = f"line {blank[0]} of {path / 'meta_info.txt'} is empty, which BasicSR takes for an image"
        validation.error(keys, message, "remove empty lines")
        return None
    shapes = {line.split(".")[0]: _shape(line) for line in lines if line.strip()}
    faults = _lmdb_faults(path, list(shapes))
    if faults:
        remedy = f"copy it or make it again; all its faults: usrda lmdb verify {path}"
        validation.error(keys, f"the LMDB {path} cannot be used: {some(faults)}", remedy)
        return None
    return shapes


def _lmdb_faults(path: Path, names: Sequence[str]) -> list[str]:
    """What keeps LMDB from reading the file, or the keys that it lacks."""
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

"""Which images files, folders and patterns mean, and what lies among them that is not upscaled."""

from __future__ import annotations

import glob
import os
import stat
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from usrda_plugin.data.backends import IMAGE_SUFFIXES, is_hidden, is_listed

Origin = Literal["file", "folder", "tree", "pattern"]
Reason = Literal["hidden", "format", "subfolder", "link"]
_KINDS = {
    stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}  # fmt: skip


class InputImage(NamedTuple):
    """An image, and where it lies below the folder or the pattern that was given."""

    file: Path
    below: Path
    origin: Origin


@dataclass
class Listing:
    """What places hold: ``images`` in order, ``left_out`` by path with the reason, ``faults`` that name a path each."""

    images: list[InputImage] = field(default_factory=list)
    left_out: dict[Path, Reason] = field(default_factory=dict)
    faults: dict[Path, str] = field(default_factory=dict)

    def add(self, image: InputImage) -> None:
        """Sort a file in by its name and its kind; it is not opened. One given by its name may have any."""
        file = image.file
        if image.origin != "file" and is_hidden(file.name):
            self.left_out[file] = "hidden"
        elif image.origin != "file" and file.suffix.lower() not in IMAGE_SUFFIXES:
            self.left_out[file] = "format"
        else:
            try:
                fault = "" if is_listed(file) else f"expected an image file, found {describe_kind(file)}"
            except OSError as error:  # a folder may show names and refuse all else
                fault = f"expected a file that can be read, found none ({error.strerror})"
            if fault:
                self.faults[file] = f"{file}: {fault}"
            else:
                self.images.append(image)

    def reasons(self) -> list[str]:
        """Say how many files and folders are left out, of which kinds and why: a phrase for each reason."""
        number = Counter(self.left_out.values())
        suffixes = Counter(file.suffix.lower() or "no suffix" for file, why in self.left_out.items() if why == "format")
        formats = ", ".join(f"{count} {suffix}" for suffix, count in suffixes.most_common())
        messages: dict[Reason, str] = {
            "format": f"files of formats that are not read: {{}} ({formats})",
            "hidden": "hidden: {}",
            "subfolder": "subfolders: {} (--recursive searches them)",
            "link": "links to folders that are searched anyway or lie above: {}",
        }
        return [text.format(number[reason]) for reason, text in messages.items() if reason in number]


def list_images(places: Sequence[str], *, recursive: bool = False) -> Listing:
    """The images of files, folders and patterns such as ``photos/**/*.jpg``, in order, each once.

    ``recursive``: those of subfolders too, each folder once, whatever links lead to it. Raises ValueError where a place
    has none, FileNotFoundError where there is no such place.
    """
    whole = Listing()
    found: dict[Path, InputImage] = {}
    for place in places:
        listing = _list(place, recursive=recursive)
        for image in listing.images:
            found.setdefault(canonical_path(image.file), image)
        whole.left_out |= listing.left_out
        whole.faults |= listing.faults
    whole.images = list(found.values())
    return whole


def canonical_path(file: Path) -> Path:
    """The one path of a file, by whatever path it is reached; a link is a place of its own."""
    return file.parent.resolve() / file.name


def describe_kind(file: Path) -> str:
    """What a path is that is no regular file, in words."""
    if not file.exists():
        return "a link that leads nowhere"
    return _KINDS.get(stat.S_IFMT(file.stat().st_mode), "a file")


def _list(place: str, *, recursive: bool) -> Listing:
    listing = look_into(place, recursive=recursive)
    if not (listing.images or listing.faults):
        is_pattern = not Path(place).exists()
        what = "that match this pattern, in which capital and small letters differ" if is_pattern else "in this folder"
        beside = f"; left out: {', '.join(listing.reasons())}" if listing.left_out else ""
        raise ValueError(f"{place}: expected images ({', '.join(IMAGE_SUFFIXES)}), found none {what}{beside}")
    return listing


def look_into(place: str, *, recursive: bool = False) -> Listing:
    """What one file, folder or pattern holds, its images in order; there may be none.

    Raises FileNotFoundError where there is no such place, ValueError where it has no name.
    """
    if not place:
        raise ValueError("expected an image, a folder or a pattern as --input, found an empty name")
    path = Path(place)
    if path.is_dir():
        listing = _tree(path) if recursive else _folder(path)
    elif path.exists():
        listing = Listing()
        listing.add(InputImage(path, Path(path.name), "file"))  # whatever its name is; reading will show
    elif glob.has_magic(place):
        listing = _pattern(place)
    else:
        raise FileNotFoundError(f"{place}: expected an image, a folder or a pattern, found nothing of that name")
    listing.images.sort()
    return listing


def _folder(folder: Path) -> Listing:
    listing = Listing()
    for entry in sorted(folder.iterdir()):
        if entry.is_dir() and entry.suffix.lower() not in IMAGE_SUFFIXES:
            listing.left_out[entry] = "hidden" if is_hidden(entry.name) else "subfolder"
        else:
            listing.add(InputImage(entry, Path(entry.name), "folder"))
    return listing


def _tree(root: Path) -> Listing:
    listing = Listing()
    searched: set[str] = set()
    folders, links = deque([root]), deque[Path]()
    while folders or links:
        folder = folders.popleft() if folders else links.popleft()  # a folder has its own path, if it has one here
        real = os.path.realpath(folder)
        if real in searched or (folder != root and _is_above(real, folder)):
            listing.left_out[folder] = "link"
            continue
        searched.add(real)
        try:
            entries = sorted(folder.iterdir())
        except OSError as error:
            listing.faults[folder] = f"{folder}: expected a folder that can be read, found none ({error.strerror})"
            continue
        for entry in entries:
            if entry.is_dir() and not is_hidden(entry.name):
                (links if entry.is_symlink() else folders).append(entry)
            else:
                listing.add(InputImage(entry, entry.relative_to(root), "tree"))
    return listing


def _is_above(real: str, folder: Path) -> bool:
    return Path(real) in (beneath := Path(os.path.realpath(folder.parent)), *beneath.parents)


def _pattern(pattern: str) -> Listing:
    root, rest = _split(pattern)
    if "**" in rest.parts:
        _refuse_loops(root, ())
    listing = Listing()
    for below in sorted(map(Path, _matches(root, rest))):
        file = root / below
        if not file.is_dir() or file.suffix.lower() in IMAGE_SUFFIXES:
            listing.add(InputImage(file, below, "pattern"))
    return listing


def _matches(root: Path, rest: Path) -> Iterator[str]:
    return glob.iglob(str(rest), root_dir=root, recursive=True)  # noqa: PTH207


def _split(pattern: str) -> tuple[Path, Path]:
    """The folder that a pattern begins with, and the rest; a folder that is there is meant, whatever its name."""
    parts = Path(pattern).parts
    root = Path()
    for number, part in enumerate(parts):
        if glob.has_magic(part) and not (root / part).is_dir():
            return root, Path(*parts[number:])
        root /= part
    raise AssertionError(pattern)


def _refuse_loops(folder: Path, above: tuple[str, ...]) -> None:
    """Raise ValueError where a link leads back to a folder above it: a pattern would go round in it without end."""
    real = os.path.realpath(folder)
    if real in above:
        raise ValueError(
            f"{folder}: expected folders to search, found a link to a folder above it; remove the link, or give the"
            " folder with --recursive"
        )
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        if entry.is_dir():
            _refuse_loops(entry, (*above, real))

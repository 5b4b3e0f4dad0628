"""Which images there are to upscale and where each goes: decided and checked before any work is done."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from usrda_plugin.choices import Extension
from usrda_plugin.data.pictures import WRITTEN
from usrda_plugin.data.stores import IMAGE_SUFFIXES, is_listed

Existing = Literal["refuse", "skip", "overwrite"]
Given = Literal["file", "folder", "pattern"]


class Job(NamedTuple):
    """An image to read and the file to write."""

    source: Path
    target: Path


class Naming(NamedTuple):
    """How results are named: the input's name, ``suffix``, and ``extension`` ("auto": the input's, or PNG).

    ``existing``: what becomes of results that are there already.
    """

    suffix: str = ""
    extension: Extension = "auto"
    existing: Existing = "refuse"


class Found(NamedTuple):
    """An image, and where it lies below the folder or the pattern that was given."""

    file: Path
    below: Path
    given: Given


def list_images(places: Sequence[str]) -> list[Found]:
    """The images of files, folders (not of their subfolders) and patterns such as ``photos/**/*.jpg``, in order.

    Raises ValueError where a place has none, FileNotFoundError where there is no such place.
    """
    found: dict[Path, Found] = {}
    for place in places:
        for image in _images_of(place):
            found.setdefault(image.file.absolute(), image)
    return list(found.values())


def plan_jobs(images: Iterable[Found], output: Path, naming: Naming) -> list[Job]:
    """A job for each image, without those to be skipped.

    Raises ValueError where a result would replace an input, another result, or, unless ``naming`` says so, a file that
    is there.
    """
    jobs = [Job(image.file, target_of(image, output, naming)) for image in images]
    inputs = {_identity(job.source): job.source for job in jobs}
    lost = [job for job in jobs if job.target.exists() and _identity(job.target) in inputs]
    if lost:
        raise ValueError(
            f"expected results beside their inputs, found that {_some(job.target for job in lost)} would replace an"
            " input; give another --output, or a --suffix"
        )
    twice = [f"{job.source} and {other.source}" for job, other in _collisions(jobs)]
    if twice:
        raise ValueError(
            f"expected a result of its own name for each input, found the same for {_some(twice)}; upscale them into"
            " different folders, or, where their formats differ, with --ext auto"
        )
    there = [job for job in jobs if os.path.lexists(job.target)]
    if there and naming.existing == "refuse":
        raise ValueError(
            f"expected no results in {output}, found {_some(job.target for job in there)}; say --skip-existing or"
            " --overwrite"
        )
    return [job for job in jobs if naming.existing == "overwrite" or job not in there]


def target_of(image: Found, output: Path, naming: Naming) -> Path:
    """The file that becomes the image's result."""
    return output / image.below.with_name(_name(image.file, naming))


def _images_of(place: str) -> list[Found]:
    path = Path(place)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if _is_image(file))
        found = [Found(file, Path(file.name), "folder") for file in files]
        what = "in this folder (subfolders: give a pattern such as 'FOLDER/**/*.png')"
    elif path.exists():
        return [Found(path, Path(path.name), "file")]  # whatever its name is; reading will tell
    elif glob.has_magic(place):
        root = _fixed_part(place)
        if "**" in path.parts:
            _refuse_loops(root, ())
        files = sorted(Path(name) for name in glob.glob(place, recursive=True) if _is_image(Path(name)))  # noqa: PTH207
        found = [Found(file, file.relative_to(root), "pattern") for file in files]
        what = "that match this pattern"
    else:
        raise FileNotFoundError(f"{place}: expected an image, a folder or a pattern, found nothing of that name")
    if not found:
        raise ValueError(f"{place}: expected images ({', '.join(IMAGE_SUFFIXES)}), found none {what}")
    return found


def _fixed_part(pattern: str) -> Path:
    parts = Path(pattern).parts
    fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    return Path(*parts[:fixed])


def _refuse_loops(folder: Path, above: tuple[str, ...]) -> None:
    """Raise ValueError where a link leads back to a folder above it: a pattern would go round in it without end."""
    real = os.path.realpath(folder)
    if real in above:
        raise ValueError(f"{folder}: expected folders to search, found a link to a folder above it; remove the link")
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        if entry.is_dir():
            _refuse_loops(entry, (*above, real))


def _is_image(file: Path) -> bool:
    return file.suffix.lower() in IMAGE_SUFFIXES and is_listed(file)


def _name(file: Path, naming: Naming) -> str:
    if naming.extension != "auto":
        extension = f".{naming.extension}"
    else:
        extension = file.suffix if file.suffix.lower() in WRITTEN else ".png"
    return f"{file.stem}{naming.suffix}{extension}"


def _identity(file: Path) -> tuple[int, int]:
    """The same for one file by whatever name or link; of a link that leads nowhere its own."""
    found = file.stat() if file.exists() else file.lstat()
    return found.st_dev, found.st_ino


def _collisions(jobs: list[Job]) -> list[tuple[Job, Job]]:
    # letters differ in case only: on some file systems these are one file
    first: dict[str, Job] = {}
    pairs = []
    for job in jobs:
        other = first.setdefault(str(job.target.absolute()).casefold(), job)
        pairs += [(job, other)] if other is not job else []
    return pairs


def _some(items: Iterable[object]) -> str:
    listed = [str(item) for item in items]
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return ", ".join(listed[:3]) + more

"""Which results are to be made, and where: decided and checked before any work is done."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from usrda_plugin.data.backends import IMAGE_SUFFIXES
from usrda_plugin.data.pictures import WRITTEN
from usrda_plugin.inference.naming import Naming, name_results
from usrda_plugin.inference.places import Found, kind_of

LONGEST_NAME, LONGEST_PATH = 255, 4096  # bytes, where the system does not tell
LONGEST_DRAFT = 40  # bytes of the name that a result has until it is whole
OTHER_IMAGES = (".heic", ".heif", ".tga")


class Job(NamedTuple):
    """An image to read and the file to write."""

    source: Path
    target: Path


class Plan(NamedTuple):
    """What is to be done: ``jobs``; ``skipped``, whose results are there; ``renamed``, all that are named apart."""

    jobs: list[Job]
    skipped: list[Job]
    renamed: list[Job]


def plan_jobs(images: Sequence[Found], output: Path, naming: Naming) -> Plan:
    """A job for each image, without those to be skipped; ``output`` is a folder, or the file of the one image's result.

    Raises ValueError where a result would replace an input or, unless ``naming`` says so, a file that is there; where
    a name is too long, or no name; where ``output`` cannot be written to.
    """
    if is_file_name(output):
        _check_single(images, output, naming)
        targets = [output] * len(images)
    else:
        targets = name_results(images, output, naming)
    jobs = [Job(image.file, target) for image, target in zip(images, targets, strict=True)]
    _check_targets(jobs)
    there = [job for job in jobs if os.path.lexists(job.target)]
    if there and naming.existing == "refuse":
        raise ValueError(
            f"expected no results in {output}, found {some(job.target for job in there)}; say --skip-existing or"
            " --overwrite"
        )
    skipped = there if naming.existing == "skip" else []
    left = set(skipped)
    plain = {image.file: f"{image.file.stem}{naming.suffix}" for image in images}
    renamed = [job for job in jobs if not is_file_name(output) and job.target.stem != plain[job.source]]
    return Plan([job for job in jobs if job not in left], skipped, renamed)


def is_file_name(output: Path) -> bool:
    """Whether an output is the name of an image, and no folder that is there."""
    return output.suffix.lower() in (*WRITTEN, *IMAGE_SUFFIXES, *OTHER_IMAGES) and not output.is_dir()


def _check_single(images: Sequence[Found], output: Path, naming: Naming) -> None:
    folder = f"give a folder ({output.with_suffix('')}), or make {output} a folder first"
    if output.suffix.lower() not in WRITTEN:
        raise ValueError(
            f"{output}: expected a folder, or an image of {', '.join(WRITTEN)}, found {output.suffix}; {folder}"
        )
    given = {image.given for image in images} - {"file"}
    if len(images) > 1 or given:
        found = f"{len(images)} images" if len(images) > 1 else "a folder or a pattern"
        raise ValueError(f"{output}: expected one image by its name for an --output file, found {found}; {folder}")
    extension = {".jpeg": "jpg"}.get(output.suffix.lower(), output.suffix.lower()[1:])
    if naming.extension not in ("auto", extension):
        raise ValueError(f"{output}: expected --ext {extension} or none, found {naming.extension}; {folder}")
    if naming.suffix:
        raise ValueError(f"{output}: expected no --suffix beside a file, found {naming.suffix!r}; {folder}")


def _check_targets(jobs: Sequence[Job]) -> None:
    _check_lengths([job.target for job in jobs])
    inputs = {_identity(job.source) for job in jobs}
    lost = [job.target for job in jobs if job.target.exists() and _identity(job.target) in inputs]
    if lost:
        raise ValueError(
            f"expected results beside their inputs, found that {some(lost)} would replace an input; give another"
            " --output, or a --suffix"
        )
    folders = [job.target for job in jobs if job.target.is_dir()]
    if folders:
        raise ValueError(f"expected files for results, found folders: {some(folders)}; give another --output")
    for folder in {_existing(folder) for folder in {job.target.parent for job in jobs}}:
        _check_writable(folder)


def _check_lengths(targets: Sequence[Path]) -> None:
    limits = {folder: _longest(_existing(folder)) for folder in {target.parent for target in targets}}
    long = [target for target in targets if _is_long(target, *limits[target.parent])]
    if long:
        name, path = limits[long[0].parent]
        raise ValueError(
            f"expected names of results of at most {name} bytes, and paths of {path}, as the file system has it, found"
            f" longer ones: {some(long)}; rename the images, or give a shorter --suffix or --output"
        )


def _check_writable(folder: Path) -> None:
    if not folder.is_dir():
        raise ValueError(f"{folder}: expected a folder for results, found {kind_of(folder)}; give another --output")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"{folder}: expected a folder that can be written to, found one that cannot ({error.strerror}); give"
            " another --output"
        ) from None


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))


def _longest(folder: Path) -> tuple[int, int]:
    """The most bytes of a name and of a path in a folder."""
    with suppress(OSError, ValueError, AttributeError):
        return os.pathconf(folder, "PC_NAME_MAX"), os.pathconf(folder, "PC_PATH_MAX")
    return LONGEST_NAME, LONGEST_PATH


def _is_long(target: Path, name: int, path: int) -> bool:
    own = len(os.fsencode(target.name))
    return own > name or len(os.fsencode(target.parent)) + 1 + max(own, LONGEST_DRAFT) >= path


def _identity(file: Path) -> tuple[int, int]:
    """The same for one file by whatever name or link; of a link that leads nowhere its own."""
    found = file.stat() if file.exists() else file.lstat()
    return found.st_dev, found.st_ino


def some(items: Iterable[object]) -> str:
    """The first three of a list, and how many there are more."""
    listed = [str(item) for item in items]
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return ", ".join(listed[:3]) + more

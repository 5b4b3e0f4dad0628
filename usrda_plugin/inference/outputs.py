"""Which results are to be made, how they are named, and where: decided and checked before any work is done."""

from __future__ import annotations

import os
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Literal, NamedTuple

from usrda_plugin.choices import Extension
from usrda_plugin.data.backends import IMAGE_SUFFIXES
from usrda_plugin.data.pictures import WRITTEN
from usrda_plugin.inference.inputs import InputImage, canonical_path, describe_kind
from usrda_plugin.weights import some

Existing = Literal["refuse", "skip", "overwrite"]

LONGEST_NAME, LONGEST_PATH = 255, 4096  # bytes, where the system does not tell
LONGEST_DRAFT = 40  # bytes of the name that a result has until it is whole
OTHER_IMAGES = (".heic", ".heif", ".tga")


class Naming(NamedTuple):
    """How results are named: the input's name, ``suffix``, and ``extension`` ("auto": the input's, or PNG).

    ``existing``: what becomes of results that are there already.
    """

    suffix: str = ""
    extension: Extension = "auto"
    existing: Existing = "refuse"


class Job(NamedTuple):
    """An image to read and the file to write."""

    source: Path
    target: Path


class Plan(NamedTuple):
    """What is to be done: ``jobs``; ``skipped``, whose results are there; ``renamed``, all that are named apart."""

    jobs: list[Job]
    skipped: list[Job]
    renamed: list[Job]


def plan_jobs(images: Sequence[InputImage], output: Path, naming: Naming) -> Plan:
    """A job for each image, without those to be skipped; ``output`` is a folder, or the file of the one image's result.

    Raises ValueError where a result would replace an input or, unless ``naming`` says so, a file that is there; where
    a name is too long, or no name; where ``output`` cannot be written to.
    """
    if _is_file_name(output):
        _check_single(images, output, naming)
        targets = [output] * len(images)
    else:
        targets = name_outputs(images, output, naming)
    jobs = [Job(image.file, target) for image, target in zip(images, targets, strict=True)]
    _check_targets(jobs)
    there = [job for job in jobs if os.path.lexists(job.target)]
    if there and naming.existing == "refuse":
        raise ValueError(
            f"expected no results in {output}, found {some((job.target for job in there), spell=str)};"
            " say --skip-existing or --overwrite"
        )
    skipped = there if naming.existing == "skip" else []
    left = set(skipped)
    plain = {image.file: f"{image.file.stem}{naming.suffix}" for image in images}
    renamed = [job for job in jobs if not _is_file_name(output) and job.target.stem != plain[job.source]]
    return Plan([job for job in jobs if job not in left], skipped, renamed)


def _is_file_name(output: Path) -> bool:
    """Whether an output is the name of an image, and no folder that is there."""
    return output.suffix.lower() in (*WRITTEN, *IMAGE_SUFFIXES, *OTHER_IMAGES) and not output.is_dir()


def name_outputs(images: Sequence[InputImage], output: Path, naming: Naming) -> list[Path]:
    """The file for each image's result, no two the same, not even where case or composed letters do not count.

    Where names would meet, as of a.png and a.tif, the image that has the format already keeps its name, and the others
    keep their format in it: a.tif.png. Where that does not tell them apart, they are numbered in order: a-2.png.
    Raises ValueError for a suffix that is no part of a name.
    """
    if "/" in naming.suffix or os.sep in naming.suffix:
        raise ValueError(f"expected a part of a name as --suffix, found {naming.suffix!r}; give folders by --output")
    plain = [_result(image, image.file.stem, output, naming) for image in images]
    number = Counter(map(_key, plain))
    taken = set(number)
    kept: set[str] = set()
    names = []
    for image, target in zip(images, plain, strict=True):
        key = _key(target)
        native = target.suffix.lower() == image.file.suffix.lower()
        if number[key] > 1 and (not native or key in kept):
            target = next(name for name in _other_names(image, output, naming) if _key(name) not in taken)
            taken.add(_key(target))
        else:
            kept.add(key)
        names.append(target)
    return names


def exclude_outputs(images: Sequence[InputImage], output: Path, naming: Naming) -> list[InputImage]:
    """The images without those that are results, so that a run may be repeated.

    With a suffix, results are those images that are called what another one's result is called, and, of folders and
    patterns whose results lie beside their inputs, all that have the suffix. Of a pattern or of a folder with its
    subfolders, all below ``output`` are results where ``output`` is a folder within.
    """
    inputs = [image for image in images if not _has_suffix(image, output, naming) and not _in_output(image, output)]
    targets = {canonical_path(target) for target in name_outputs(inputs, output, naming)} if naming.suffix else set()
    return [image for image in inputs if canonical_path(image.file) not in targets]


def _check_single(images: Sequence[InputImage], output: Path, naming: Naming) -> None:
    folder = f"give a folder ({output.with_suffix('')}), or make {output} a folder first"
    if output.suffix.lower() not in WRITTEN:
        raise ValueError(
            f"{output}: expected a folder, or an image of {', '.join(WRITTEN)}, found {output.suffix}; {folder}"
        )
    origins = {image.origin for image in images} - {"file"}
    if len(images) > 1 or origins:
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
            f"expected results beside their inputs, found that {some(lost, spell=str)} would replace an input;"
            " give another --output, or a --suffix"
        )
    folders = [job.target for job in jobs if job.target.is_dir()]
    if folders:
        raise ValueError(
            f"expected files for results, found folders: {some(folders, spell=str)}; give another --output"
        )
    for folder in {_existing(folder) for folder in {job.target.parent for job in jobs}}:
        _check_writable(folder)


def _check_lengths(targets: Sequence[Path]) -> None:
    limits = {folder: _longest(_existing(folder)) for folder in {target.parent for target in targets}}
    long = [target for target in targets if _is_long(target, *limits[target.parent])]
    if long:
        name, path = limits[long[0].parent]
        raise ValueError(
            f"expected names of results of at most {name} bytes, and paths of {path}, as the file system has it, found"
            f" longer ones: {some(long, spell=str)}; rename the images, or give a shorter --suffix or --output"
        )


def _check_writable(folder: Path) -> None:
    if not folder.is_dir():
        raise ValueError(
            f"{folder}: expected a folder for results, found {describe_kind(folder)}; give another --output"
        )
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


def _other_names(image: InputImage, output: Path, naming: Naming) -> Iterator[Path]:
    yield _result(image, image.file.name, output, naming)
    for number in count(2):
        yield _result(image, f"{image.file.stem}-{number}", output, naming)


def _result(image: InputImage, stem: str, output: Path, naming: Naming) -> Path:
    own = image.file.suffix if image.file.suffix.lower() in WRITTEN else ".png"
    extension = own if naming.extension == "auto" else f".{naming.extension}"
    return output / image.below.with_name(f"{stem}{naming.suffix}{extension}")


def _key(file: Path) -> str:
    # some file systems tell neither case nor ways to write an accent apart
    return unicodedata.normalize("NFC", str(file.absolute()).casefold())


def _has_suffix(image: InputImage, output: Path, naming: Naming) -> bool:
    # its own input may be gone; a file given by its name is meant
    if image.origin == "file" or not naming.suffix or not image.file.stem.endswith(naming.suffix):
        return False
    return (output / image.below.parent).resolve() == image.file.parent.resolve()


def _in_output(image: InputImage, output: Path) -> bool:
    if image.origin not in ("pattern", "tree"):
        return False
    root = Path(*image.file.parts[: len(image.file.parts) - len(image.below.parts)]).resolve()
    folder = output.resolve()
    return root in folder.parents and folder in canonical_path(image.file).parents

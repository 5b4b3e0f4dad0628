"""Results of earlier runs among the images found: they are no images to upscale."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from usrda_plugin.inference.naming import Naming, name_results
from usrda_plugin.inference.places import Found, place_of


def without_results(images: Sequence[Found], output: Path, naming: Naming) -> list[Found]:
    """The images without those that are results, so that a run may be repeated.

    With a suffix, results are those images that are called what another one's result is called, and, of folders and
    patterns whose results lie beside their inputs, all that have the suffix. Of a pattern or of a folder with its
    subfolders, all below ``output`` are results where ``output`` is a folder within.
    """
    inputs = [image for image in images if not _has_suffix(image, output, naming) and not _in_output(image, output)]
    targets = {place_of(target) for target in name_results(inputs, output, naming)} if naming.suffix else set()
    return [image for image in inputs if place_of(image.file) not in targets]


def _has_suffix(image: Found, output: Path, naming: Naming) -> bool:
    # its own input may be gone; a file given by its name is meant
    if image.given == "file" or not naming.suffix or not image.file.stem.endswith(naming.suffix):
        return False
    return (output / image.below.parent).resolve() == image.file.parent.resolve()


def _in_output(image: Found, output: Path) -> bool:
    if image.given not in ("pattern", "tree"):
        return False
    root = Path(*image.file.parts[: len(image.file.parts) - len(image.below.parts)]).resolve()
    folder = output.resolve()
    return root in folder.parents and folder in place_of(image.file).parents

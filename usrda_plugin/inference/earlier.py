"""Results of earlier runs among the images found: they are no images to upscale."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from usrda_plugin.inference.jobs import Found, Naming, target_of


def without_results(images: Sequence[Found], output: Path, naming: Naming) -> list[Found]:
    """The images without those that are results, so that a run may be repeated.

    With a suffix, results are those images that are called what another one's result is called, and, of folders and
    patterns whose results lie beside their inputs, all that have the suffix. Of a pattern, all below ``output`` are
    results where ``output`` is a folder within the pattern's own.
    """
    targets = {_place(target_of(image, output, naming)) for image in images} if naming.suffix else set()
    return [
        image
        for image in images
        if _place(image.file) not in targets
        and not _has_suffix(image, output, naming)
        and not _in_output(image, output)
    ]


def _has_suffix(image: Found, output: Path, naming: Naming) -> bool:
    # its own input may be gone; a file given by its name is meant
    if image.given == "file" or not naming.suffix or not image.file.stem.endswith(naming.suffix):
        return False
    return _place(target_of(image, output, naming)).parent == _place(image.file).parent


def _in_output(image: Found, output: Path) -> bool:
    root = Path(*image.file.parts[: len(image.file.parts) - len(image.below.parts)]).resolve()
    folder = output.resolve()
    return image.given == "pattern" and root in folder.parents and folder in _place(image.file).parents


def _place(file: Path) -> Path:
    # a link is a place of its own: what it points to is somebody's
    return file.parent.resolve() / file.name

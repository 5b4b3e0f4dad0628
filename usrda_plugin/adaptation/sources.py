"""Clean HR photographs to learn from: the user's own, or those installed with scikit-image."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from usrda_plugin.adaptation.found import counted
from usrda_plugin.data.bundled import bundled_photographs
from usrda_plugin.data.pictures import upright_size
from usrda_plugin.errors import SetupError
from usrda_plugin.inference.inputs import list_images

LARGER_SETS = "DIV2K, Flickr2K and Unsplash's photographs are such sets; mind the terms of each"


class Source(NamedTuple):
    """A folder, the photographs below it that are used, and how many files are left out, by reason."""

    root: Path
    names: list[str]
    left_out: dict[str, int]
    bundled: bool

    @property
    def files(self) -> list[Path]:
        """The photographs."""
        return [self.root / name for name in self.names]

    def describe(self) -> str:
        """Say what is learnt from, in a phrase."""
        number = counted(len(self.names), "HR photograph")
        beside = ", ".join(f"{count} {reason}" for reason, count in self.left_out.items())
        where = "installed with scikit-image" if self.bundled else f"of {self.root}"
        return f"{number} {where}{f'; left out: {beside}' if beside else ''}"

    def sentences(self) -> list[str]:
        """Say what is learnt from, and what would be better."""
        more = f"A larger set teaches more: --source FOLDER ({LARGER_SETS})."
        return [f"Source: {self.describe()}.", *([more] if self.bundled else [])]


def find_source(folder: Path | None, least_side: int) -> Source:
    """The photographs of a folder and its subfolders of at least so many pixels a side, or the bundled ones.

    Raises SetupError where there is none.
    """
    if folder is None:
        files = bundled_photographs()
        return Source(files[0].parent, [file.name for file in files], {}, bundled=True)
    if not folder.is_dir():
        raise SetupError(f"--source: expected a folder of HR photographs, found none at {folder}")
    try:
        listing = list_images([str(folder)], recursive=True)
    except (ValueError, OSError) as error:
        raise SetupError(f"--source: {error}") from error
    sides = {image.below: _least_side(image.file) for image in listing.images}
    names = [str(below) for below, side in sides.items() if side is not None and side >= least_side]
    left_out = {
        "of other formats or hidden": len(listing.left_out) + len(listing.faults),
        "unreadable": sum(side is None for side in sides.values()),
        f"smaller than {least_side} pixels": sum(side is not None and side < least_side for side in sides.values()),
    }
    if not names:
        raise SetupError(
            f"--source: expected HR photographs of {least_side} pixels a side or more, found none in {folder} "
            f"({len(sides)} images); give another folder, or leave --source out"
        )
    return Source(
        folder.resolve(), names, {reason: count for reason, count in left_out.items() if count}, bundled=False
    )


def _least_side(file: Path) -> int | None:
    try:
        with file.open("rb") as content:
            return min(upright_size(content, str(file)))
    except (ValueError, OSError):
        return None

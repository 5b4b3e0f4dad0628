"""From folders to statistics: which photographs are looked at, which crops of them, and what is left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from lmdb import Error as LmdbError

from usrda_plugin.data.backends import FolderStore, is_lmdb
from usrda_plugin.data.images import ImageSource
from usrda_plugin.data.patches import Corner, mirror_up_to, random_corner, to_tensor
from usrda_plugin.data.pictures import as_8_bit, as_unit
from usrda_plugin.data.resize import bicubic_inside, kernel_reach
from usrda_plugin.data.sampler import sample_rng
from usrda_plugin.errors import SetupError
from usrda_plugin.evaluation.statistics import BLOCK, CROP, Encode, Statistics, joined, photograph_statistics
from usrda_plugin.inference.inputs import list_images
from usrda_plugin.monitoring.measurement import evenly_spaced

PHOTOGRAPHS, CROPS = 64, 8
"""How many photographs are looked at at most, evenly spaced in the order of their names, and crops of each."""

Place = str | Path | Sequence[Path] | ImageSource


class LeftOutError(ValueError):
    """A photograph that cannot be compared; its text is the reason."""


class Looked(NamedTuple):
    """What was looked at of a place: photographs ``found``, ``looked_at``, ``used``; the others by their reason."""

    place: str
    found: int
    looked_at: int
    used: int
    left_out: dict[str, int]

    def describe(self) -> str:
        """Say it in a line."""
        counted = f"{self.place}: {self.used} photographs"
        if self.found > self.looked_at:
            counted += f", evenly spaced among {self.found}"
        reasons = ", ".join(f"{number} {reason}" for reason, number in self.left_out.items())
        return f"{counted}; left out: {reasons}" if reasons else counted


def gather(place: Place, scale: int, encode: Encode | None, seed: int) -> tuple[Statistics, Looked]:
    """Return the statistics of a place's photographs, and which these are; shrunk by ``scale``.

    The seed and a photograph's number decide its crops. Raises SetupError where no photograph can be compared.
    """
    images, name, unlisted = open_place(place)
    chosen = evenly_spaced(len(images), min(len(images), PHOTOGRAPHS))
    left_out, example, found = Counter(unlisted), "", []
    for number, index in enumerate(chosen):
        try:
            crops = cut_crops(images, index, scale, sample_rng(seed, number))
        except (ValueError, OSError) as error:
            reason = str(error) if isinstance(error, LeftOutError) else "unreadable"
            left_out[reason] += 1
            example = example or f"{images.path(index)} is {error}" if reason != "unreadable" else example or str(error)
            continue
        found.append(photograph_statistics(crops, encode))
    if not found:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
        raise SetupError(
            f"{name}: expected colour photographs of at least {CROP * scale} pixels a side, found none among"
            f" {len(chosen)}: {reasons} ({example}); give other photographs"
        )
    return joined(found), Looked(name, len(images), len(chosen), len(found), dict(left_out))


def open_place(place: Place) -> tuple[ImageSource, str, dict[str, int]]:
    """Return the images of a place, its name, and how many files are left out unopened, by reason.

    Raises SetupError where there is no such place, or no image.
    """
    if isinstance(place, ImageSource):
        return place, str(place.store.root), {}
    try:
        if isinstance(place, str | Path):
            if is_lmdb(place):
                return ImageSource.open(place), str(place), {}
            listing = list_images([str(place)], recursive=True)
            files, name = [image.file for image in listing.images], str(place)
            reasons = Counter({"format": "of other formats", "hidden": "hidden"}.get(why, why)
                              for why in listing.left_out.values())  # fmt: skip
            reasons["unreadable"] += len(listing.faults)
        else:
            files, reasons = list(place), Counter()
            name = str(files[0].parent) if files else "no place"
    except (ValueError, OSError, LmdbError) as error:
        raise SetupError(str(error)) from error
    if not files:
        raise SetupError(f"{name}: expected photographs, found none; give a folder of photographs")
    return ImageSource(FolderStore(Path()), [str(file) for file in files]), name, dict(+reasons)


def cut_crops(images: ImageSource, index: int, scale: int, rng: np.random.Generator) -> torch.Tensor:
    """Return random crops of a photograph, (8, 3, 64, 64), RGB in [0, 1], shrunk by ``scale`` as in training.

    Raises LeftOutError, and ValueError or OSError where it cannot be read.
    """
    least = CROP * scale
    _refuse_small(images.size(index), least)
    margin = kernel_reach(scale)
    with images.opened(index) as whole:
        _refuse_small(whole.shape, least)
        room = least + 2 * margin
        image = mirror_up_to(whole, room, margin)
        corners = [_on_grid(random_corner(rng, image, room), BLOCK * scale) for _ in range(CROPS)]
        places = [corner.cut(image, room).copy() for corner in corners]
    if all((place == place[..., :1]).all() for place in places):
        raise LeftOutError("gray")
    return torch.stack([to_tensor(_shrunk(place, scale)) for place in places])


def _on_grid(corner: Corner, step: int) -> Corner:
    """The corner of a grid above and left of it: JPEG's blocks then begin at the same pixel of every crop."""
    return Corner(corner.top // step * step, corner.left // step * step)


def _refuse_small(shape: tuple[int, ...], least: int) -> None:
    if min(shape[:2]) < least:
        raise LeftOutError(f"smaller than {least} pixels a side")


def _shrunk(image: np.ndarray, scale: int) -> np.ndarray:
    """As the LR image of a training pair: antialiased, rounded to 8 bits."""
    return as_unit(image) if scale == 1 else as_unit(bicubic_inside(as_8_bit(image), scale))

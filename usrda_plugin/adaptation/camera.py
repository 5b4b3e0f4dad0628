"""The camera of a folder of photographs, subfolders included, beside a source that need not be given."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from usrda_plugin.data.bundled import bundled_photographs
from usrda_plugin.data.camera_estimation import Estimate, estimate_from_files
from usrda_plugin.inference.inputs import Listing, list_images

Places = str | Path | Sequence[str | Path]
"""Folders, images or patterns such as ``photos/**/*.jpg``; one or several."""


class Found(NamedTuple):
    """An estimate, and what lies in the places: files that are no images by their names are in ``left_out`` of these.

    ``source`` is None where the photographs of scikit-image served.
    """

    estimate: Estimate
    photographs: Listing
    source: Listing | None


def estimate_camera_of(photographs: Places, source: Places | None = None, *, scale: int = 2, seed: int = 0) -> Found:
    """Estimate the camera that took LR photographs, beside HR photographs of other things, shrunk by ``scale``.

    ``source``: by default the photographs that are installed with scikit-image, which are few. Raises ValueError or
    FileNotFoundError where a place has no images, none are of use, or they show even areas.
    """
    targets = _list(photographs)
    sources = None if source is None else _list(source)
    hr = bundled_photographs() if sources is None else [image.file for image in sources.images]
    found = estimate_from_files([image.file for image in targets.images], hr, scale=scale, seed=seed)
    return Found(found, targets, sources)


def _list(places: Places) -> Listing:
    several = [places] if isinstance(places, str | Path) else places
    return list_images([str(place) for place in several], recursive=True)

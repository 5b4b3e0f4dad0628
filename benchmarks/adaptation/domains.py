"""The target domains: what each is, and how its validation pairs are split for cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

FOLDS = 2


class Domain(NamedTuple):
    """A target domain.

    ``factor``: HR over LR side. ``source``: its source photographs; domains that share them share the source-only
    network. ``camera``: the synthetic camera of its LR images; None for a real one, whose only true pairs are the
    validation's.
    """

    title: str
    factor: int
    source: str
    camera: str | None = None
    rows: tuple[str, ...] = ()
    """The rows that are run on it; none: all of the scale."""


DOMAINS = {
    "nikon": Domain("City100 Nikon, scale 2", 2, "x2"),
    "iphone": Domain("City100 iPhone, scale 2", 2, "x2"),
    "sensor": Domain("synthetic: blur, sensor noise, JPEG; scale 4", 4, "x4", "sensor"),
    "optics": Domain("synthetic: defocus, no noise; scale 4", 4, "x4", "optics"),
    # not looked at while the recipe was made
    "shaken": Domain("held out, synthetic: shake, low light, sharpening, JPEG; scale 4", 4, "x4", "shaken",
                     ("bicubic", "source_only", "oracle", "usrda", "camera", "plus")),
    "bundled": Domain("scikit-image's photographs by the synthetic sensor; scale 2", 2, "skimage", "sensor"),
}  # fmt: skip


def fold_names(names: Sequence[str], fold: int) -> tuple[list[str], list[str]]:
    """The names to train on and those to test on; over all folds each name is tested once."""
    tested = sorted(names)[fold::FOLDS]
    return [name for name in sorted(names) if name not in tested], tested

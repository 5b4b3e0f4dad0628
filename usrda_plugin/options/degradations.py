"""Real-ESRGAN's random degradations: what BasicSR would stumble over when it draws the first sample."""

from __future__ import annotations

from typing import Any

from usrda_plugin.options.faults import Keys, nearest
from usrda_plugin.options.schema_data import RealESRGANDataset, dataset_model
from usrda_plugin.options.validation import Review

KERNELS = ("iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso")
STEPS = ("", "2")
RANGES = ("resize_range", "noise_range", "poisson_scale_range", "jpeg_range")


def check_degradations(review: Review) -> None:
    """Check ranges, probabilities and kinds of kernels of both steps."""
    for phase, dataset in review.datasets():
        if dataset_model(dataset.get("type")) is RealESRGANDataset:
            for step in STEPS:
                _check_kernels(review, ("datasets", phase), step)
                for name in ("betag_range", "betap_range"):
                    _check_range(review, ("datasets", phase, name + step))
                _check_range(review, ("datasets", phase, "blur_sigma" + step), strictly=True)
    for step in STEPS:
        _check_some(review, ("resize_prob" + step,))
        for name in RANGES:
            _check_range(review, (name + step,))


def _check_range(review: Review, keys: Keys, *, strictly: bool = False) -> None:
    limits = review.at(*keys)
    if isinstance(limits, list) and (limits[0] > limits[1] or (strictly and limits[0] == limits[1])):
        review.fault(keys, f"expected the smaller number first, found {limits}", f"write e.g. {_rising(limits)}")


def _rising(limits: list[float]) -> list[float]:
    low, high = sorted(limits)
    return [low, high if high > low else high + 1]


def _check_kernels(review: Review, keys: Keys, step: str) -> None:
    names, chances = (review.at(*keys, name + step) for name in ("kernel_list", "kernel_prob"))
    for name in names if isinstance(names, list) else ():
        if name not in KERNELS:
            remedy = nearest(name, KERNELS) or f"known: {', '.join(KERNELS)}"
            review.fault((*keys, "kernel_list" + step), f"no blur kernel is called {name!r}", remedy)
    _check_some(review, (*keys, "kernel_prob" + step))
    if isinstance(names, list) and isinstance(chances, list) and len(names) != len(chances):
        message = f"expected {len(names)} probabilities, one for each of kernel_list{step}, found {len(chances)}"
        review.fault((*keys, "kernel_prob" + step), message, "give each kernel its probability")


def _check_some(review: Review, keys: Keys) -> None:
    chances: Any = review.at(*keys)
    if isinstance(chances, list) and not sum(chances) > 0:
        review.fault(keys, f"expected probabilities of which one is above 0, found {chances}", "write one above 0")

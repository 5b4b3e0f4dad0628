"""Separable filters in float64, by sums of shifted images: exact on every device, and fast on both."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def filtered(planes: Tensor, weights: Sequence[float], step: int = 1) -> Tensor:
    """Correlate columns and rows of (..., H, W) with ``weights``, where they lie wholly inside, at each ``step``-th.

    float64, whatever the planes are: convolutions of a GPU may round to ten bits.
    """
    planes = planes.double()
    for axis in (-2, -1):
        planes = _filtered_along(planes, axis, weights, step)
    return planes


def _filtered_along(planes: Tensor, axis: int, weights: Sequence[float], step: int) -> Tensor:
    count = planes.shape[axis] - len(weights) + 1
    shifted = [planes.narrow(axis, offset, count) for offset in range(len(weights))]
    if step > 1:
        shifted = [planes[..., ::step, :] if axis == -2 else planes[..., ::step] for planes in shifted]
    total = shifted[0] * weights[0]
    for planes, weight in zip(shifted[1:], weights[1:], strict=True):
        total.add_(planes, alpha=weight)
    return total

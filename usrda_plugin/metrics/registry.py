"""The metrics that have a form in tensors, by the names that option files give them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from inspect import Parameter, signature
from typing import Any

from basicsr.utils.registry import METRIC_REGISTRY
from torch import Tensor

TensorMetric = Callable[..., Tensor]
"""From levels (B, C, H, W), RGB in [0, 255], of ``image`` and, for some, its ``reference`` to values (B,)."""

NumpyMetric = Callable[..., float]
"""BasicSR's protocol: ``img`` and, for some, ``img2``, BGR in [0, 255]."""

TENSOR_METRICS: dict[str, TensorMetric] = {}

OF_BASICSR = ("type", "better")
"""Keys of a metric's options that are not its own arguments."""


def register_metric(form: TensorMetric, stands_for: str | None = None) -> Callable[[NumpyMetric], NumpyMetric]:
    """Register a numpy metric with BasicSR and ``form`` as what computes it on the device.

    ``stands_for``: a metric of BasicSR with the same values, which ``form`` computes as well.
    """

    def register(metric: NumpyMetric) -> NumpyMetric:
        for name in (metric.__name__, stands_for):
            if name is not None:
                TENSOR_METRICS.setdefault(name, form)
        if metric.__name__ not in METRIC_REGISTRY:  # registering twice would be an assertion error
            METRIC_REGISTRY.register(metric)
        return metric

    return register


def tensor_metric(options: Mapping[str, Any]) -> TensorMetric | None:
    """What computes a metric of an option file on the device; None where only its numpy form can.

    The result takes ``image`` and, where ``needs_reference`` says so, ``reference``.
    """
    form = TENSOR_METRICS.get(options["type"])
    arguments = {key: value for key, value in options.items() if key not in OF_BASICSR}
    if form is None or not set(arguments) <= set(signature(form).parameters):
        return None
    return partial(form, **arguments)


def needs_reference(metric: Callable[..., Any]) -> bool:
    """Whether a metric, in tensors or BasicSR's, compares an image with its ground truth."""
    asked = signature(metric).parameters
    return any(name in asked and asked[name].default is Parameter.empty for name in ("reference", "img2"))

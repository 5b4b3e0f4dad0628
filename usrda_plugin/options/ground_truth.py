"""Metrics that compare with ground truth, and data sets that have none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from usrda_plugin.metrics import needs_reference
from usrda_plugin.options.registered import METRICS, find
from usrda_plugin.options.validation import Review

ALONE = "SingleImageDataset"
"""The data set of images without ground truth."""


def check_ground_truth(review: Review) -> None:
    """Check that each metric can be computed of one data set at least."""
    sets = [(phase, dataset) for phase, dataset in review.datasets() if phase != "train"]
    alone = [phase for phase, dataset in sets if dataset.get("type") == ALONE]
    for name, metric in review.block("val", "metrics").items():
        function: Any = find(METRICS, metric.get("type")) if isinstance(metric, dict) else None
        code = getattr(function, "__code__", None)
        if code is not None and function.__module__.startswith("basicsr.") and function.__name__.endswith("_pt"):
            message = f"{metric['type']} takes batches of tensors, and validation gives it pictures"
            review.fault(("val", "metrics", name, "type"), message, f"write {metric['type'].removesuffix('_pt')}")
        if alone and len(alone) == len(sets) and code is not None and needs_reference(function):
            message = f"{metric['type']} compares with ground truth, which {', '.join(alone)} ({ALONE}) has not"
            review.fault(("val", "metrics", name), message, "remove the metric, or test on a PairedImageDataset")


def ground_truth_notes(opt: Mapping[str, Any]) -> Iterator[str]:
    """A line for each data set for which metrics are left out, as it has no ground truth and others have."""
    metrics = (opt.get("val") or {}).get("metrics") or {}
    comparing = [
        name
        for name, metric in metrics.items()
        if (function := find(METRICS, metric.get("type"))) and needs_reference(function)
    ]
    for phase, dataset in opt["datasets"].items() if comparing else ():
        if phase != "train" and dataset.get("type") == ALONE:
            yield f"Data set {dataset['name']} has no ground truth, so no {', '.join(comparing)} ({phase}: {ALONE})."

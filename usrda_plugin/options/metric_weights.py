"""Metrics that are networks: the weights they need."""

from __future__ import annotations

from usrda_plugin.metrics.lpips import (
    REMEDY,
    calculate_usrda_lpips,
    fetch_alexnet_weights,
    find_alexnet_weights,
    read_alexnet,
)
from usrda_plugin.options.validation import Options, Review


def check_metric_weights(review: Review) -> None:
    """See that there are AlexNet's weights for LPIPS, before a long training comes to its first validation.

    Those of torchvision are downloaded into torch hub's cache if the options have no other fault.
    """
    for name, metric in review.block("val", "metrics").items():
        if isinstance(metric, dict) and metric.get("type") == calculate_usrda_lpips.__name__:
            _check_alexnet(review, name, metric)


def _check_alexnet(review: Review, name: str, metric: Options) -> None:
    weights = metric.get("weights")
    try:
        file = find_alexnet_weights(weights) if review.faults else fetch_alexnet_weights(weights)
        if file is not None:
            read_alexnet(file)
    except ValueError as error:
        place = ("val", "metrics", name, "weights") if weights else ("val", "metrics", name)
        review.fault(place, str(error).removesuffix(f"; {REMEDY}"), REMEDY)

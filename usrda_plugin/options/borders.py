"""Borders that metrics leave out, against the images that are measured."""

from __future__ import annotations

from usrda_plugin.options.image_root import HEADERS, ImageRoot, spread
from usrda_plugin.options.validation import Review

MEASURES = ("calculate_psnr", "calculate_ssim")


def check_borders(review: Review, root: ImageRoot) -> None:
    """Check that BasicSR's metrics leave something of each ground truth to measure."""
    sizes = [root.size(name) for name in spread(root.names, HEADERS)]
    smallest = min((min(size) for size in sizes if size is not None), default=None)
    for name, metric in review.block("val", "metrics").items():
        border = metric.get("crop_border") if isinstance(metric, dict) else None
        if smallest is None or not isinstance(border, int) or metric.get("type") not in MEASURES:
            continue
        if smallest <= 2 * border:
            message = f"{border} pixels at each border leave nothing of an image in {root.path}, {smallest} pixels wide"
            review.fault(("val", "metrics", name, "crop_border"), message, "write a smaller crop_border")

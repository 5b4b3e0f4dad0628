"""Training patches of a size that BasicSR's networks can take; ours take any."""

from __future__ import annotations

from usrda_plugin.options.faults import Keys
from usrda_plugin.options.validation import Review

HALVINGS = 8  # what UNetDiscriminatorSN's skip connections divide a side by
# by scale, what RRDBNet folds its input by first
FOLDS = {1: 4, 2: 2}
WINDOW = 7  # SwinIR's default


def check_patches(review: Review) -> None:
    """Check the side of a patch against ``network_d`` and ``network_g``."""
    # Real-ESRGAN's models cut patches by the one at the top
    keys = ("gt_size",) if review.opt.get("gt_size") is not None else ("datasets", "train", "gt_size")
    side, scale = review.at(*keys), review.opt.get("scale")
    if not isinstance(side, int) or not isinstance(scale, int) or side % scale:
        return
    network = review.block("network_g")
    # a model that trains none leaves it alone
    critic = review.block("network_d") if review.at("train", "gan_opt") else {}
    size = critic.get("input_size", 128)
    if critic.get("type") == "VGGStyleDiscriminator" and side != size:
        message = f"network_d (VGGStyleDiscriminator) takes patches of {size} pixels (its input_size), not {side}"
        review.fault(keys, message, f"write gt_size: {size}, or take UNetDiscriminatorSN, which takes any size")
    if critic.get("type") == "UNetDiscriminatorSN" and critic.get("skip_connection", True):
        _check_multiple(review, keys, HALVINGS, "network_d (UNetDiscriminatorSN)")
    if network.get("type") == "RRDBNet" and scale in FOLDS:
        _check_multiple(review, keys, FOLDS[scale] * scale, f"network_g (RRDBNet of scale {scale})")
    window = network.get("window_size", WINDOW)
    if network.get("type") == "SwinIR" and isinstance(window, int) and window > 0:
        _check_multiple(review, keys, window * scale, f"network_g (SwinIR, windows of {window})")


def _check_multiple(review: Review, keys: Keys, divisor: int, taker: str) -> None:
    side = review.at(*keys)
    if side % divisor:
        message = f"{taker} takes patches of which {divisor} divides the side, not {side}"
        review.fault(keys, message, f"write gt_size: {max(side // divisor, 1) * divisor}")

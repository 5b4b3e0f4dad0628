"""Metrics: tensor functions for the device, and the same registered with BasicSR in its numpy protocol.

A metric is a function of levels (B, C, H, W), and a ``calculate_`` function that ``register_metric`` registers
with it. Import it here, and validation computes it on the device.
"""

import usrda_plugin.before_basicsr  # noqa: F401
from usrda_plugin.metrics.fidelity import (
    calculate_usrda_colour_shift,
    calculate_usrda_psnr,
    calculate_usrda_ssim,
    colour_shift,
    psnr,
    ssim,
)
from usrda_plugin.metrics.levels import levels_of, picture_of
from usrda_plugin.metrics.lpips import (
    calculate_usrda_lpips,
    fetch_alexnet_weights,
    find_alexnet_weights,
    lpips,
    read_alexnet,
)
from usrda_plugin.metrics.niqe import calculate_usrda_niqe, niqe
from usrda_plugin.metrics.registry import (
    TENSOR_METRICS,
    TensorMetric,
    needs_reference,
    register_metric,
    tensor_metric,
)

__all__ = [
    "TENSOR_METRICS",
    "TensorMetric",
    "calculate_usrda_colour_shift",
    "calculate_usrda_lpips",
    "calculate_usrda_niqe",
    "calculate_usrda_psnr",
    "calculate_usrda_ssim",
    "colour_shift",
    "fetch_alexnet_weights",
    "find_alexnet_weights",
    "levels_of",
    "lpips",
    "needs_reference",
    "niqe",
    "picture_of",
    "psnr",
    "read_alexnet",
    "register_metric",
    "ssim",
    "tensor_metric",
]

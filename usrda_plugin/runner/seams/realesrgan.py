"""Seams for Real-ESRGAN's models, whose degradations are written for a GPU alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import torch

from usrda_plugin.runner.seams.record import mentions, replace, replace_everywhere


def degrade_on_any_device() -> bool:
    """Put Real-ESRGAN's JPEG simulator, sharpener and pool of pairs on the device of the run."""
    models = [
        import_module("basicsr.models.realesrgan_model").RealESRGANModel,
        import_module("basicsr.models.realesrnet_model").RealESRNetModel,
    ]
    needing = [model for model in models if mentions(model.__init__, "cuda")]
    for model in needing:
        replace(model, "__init__", partial(_init_on_device, model))
        replace(model, "_dequeue_and_enqueue", _with_pool_on_device)
    return bool(needing)


def _init_on_device(model: Any, original: Callable[..., None]) -> Callable[..., None]:
    utils = import_module("basicsr.utils")

    def __init__(self: Any, opt: dict[str, Any]) -> None:
        super(model, self).__init__(opt)
        self.jpeger = utils.DiffJPEG(differentiable=False).to(self.device)
        self.usm_sharpener = utils.USMSharp().to(self.device)
        self.queue_size = opt.get("queue_size", 180)

    return __init__


def _with_pool_on_device(original: Callable[..., None]) -> Callable[..., None]:
    @torch.no_grad()
    def _dequeue_and_enqueue(self: Any) -> None:
        if not hasattr(self, "queue_lr"):
            batch = len(self.lq)
            if self.queue_size % batch:
                raise ValueError(f"queue_size: expected a multiple of the batch size {batch}, found {self.queue_size}")
            self.queue_lr = self.lq.new_zeros(self.queue_size, *self.lq.shape[1:])
            self.queue_gt = self.gt.new_zeros(self.queue_size, *self.gt.shape[1:])
            self.queue_ptr = 0
        original(self)

    return _dequeue_and_enqueue


def make_sinc_kernels_quietly() -> bool:
    """Make a sinc kernel without the warning about its centre, whose value BasicSR sets afterwards."""
    return replace_everywhere(import_module("basicsr.data.degradations"), "circular_lowpass_kernel", _without_warning)


def _without_warning(original: Callable[..., Any]) -> Callable[..., Any]:
    def circular_lowpass_kernel(*args: Any, **kwargs: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return original(*args, **kwargs)

    return circular_lowpass_kernel


def filter_any_layout() -> bool:
    """Let ``filter2D`` take images in any memory layout and of any size, mirrored as often as the kernel is larger."""
    return replace_everywhere(import_module("basicsr.utils.img_process_util"), "filter2D", _filtering_all)


def _filtering_all(original: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def filter_2d(img: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        (height, width), reach = img.shape[-2:], kernel.shape[-1] // 2
        if min(height, width) <= reach:
            img = import_module("usrda_plugin.archs.sides").mirrored(img, max(height, width) + reach)
        return original(img.contiguous(), kernel.contiguous())[..., :height, :width]

    return filter_2d

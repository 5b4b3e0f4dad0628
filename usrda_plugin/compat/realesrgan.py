"""Patches for Real-ESRGAN's models, whose degradations are written for a GPU alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from basicsr.data import degradations
from basicsr.models.realesrgan_model import RealESRGANModel
from basicsr.models.realesrnet_model import RealESRNetModel
from basicsr.utils import DiffJPEG, USMSharp, get_root_logger, img_process_util

from usrda_plugin.archs.sides import mirrored
from usrda_plugin.patch import mentions, patch, replace, replace_everywhere

MODELS = (RealESRGANModel, RealESRNetModel)


@patch("realesrgan_device", "Real-ESRGAN's models call .cuda() without asking")
def degrade_on_any_device() -> bool:
    """Put Real-ESRGAN's JPEG simulator, sharpener and pool of pairs on the device of the run."""
    needing = [model for model in MODELS if mentions(model.__init__, "cuda")]
    for model in needing:
        replace(model, "__init__", partial(_init_on_device, model))
        replace(model, "_dequeue_and_enqueue", _with_pool_on_device)
    return bool(needing)


@patch("realesrgan_pool", "Real-ESRGAN's pool of training pairs is not saved: a resumed run fills it anew")
def keep_pool() -> bool:
    """Let Real-ESRGAN's models say what their pool of pairs holds, and go on with it."""
    for model in MODELS:
        model.pool_state, model.restore_pool = _pool_state, _restore_pool
    return True


def _init_on_device(model: Any, original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, opt: dict[str, Any]) -> None:
        super(model, self).__init__(opt)
        self.jpeger = DiffJPEG(differentiable=False).to(self.device)
        self.usm_sharpener = USMSharp().to(self.device)
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
            _fill_again(self)
        original(self)

    return _dequeue_and_enqueue


def _pool_state(self: Any) -> dict[str, Any] | None:
    """The pairs that wait in this process's pool, images of 8 bits as such; None: no pair has been read yet."""
    if not hasattr(self, "queue_lr"):
        waiting: dict[str, Any] | None = vars(self).get("pool_to_restore")
        return waiting
    pairs = {name: _packed(images[: self.queue_ptr]) for name, images in _images_of(self).items()}
    return {"size": self.queue_size, **pairs}


def _restore_pool(self: Any, state: dict[str, Any] | None) -> None:
    """Go on with the pairs of ``pool_state`` when the next ones are read, which say of what size they are."""
    self.pool_to_restore = state


def _fill_again(self: Any) -> None:
    state = vars(self).pop("pool_to_restore", None)
    if state is None:
        return
    pools, filled = _images_of(self), len(state["lr"])
    fits = all(state[name].shape[1:] == images.shape[1:] for name, images in pools.items())
    if not fits or state["size"] != self.queue_size or filled % len(self.lq):
        get_root_logger().warning(
            "The pool of training pairs begins anew: it was saved with another queue_size, batch or size of images."
        )
        return
    for name, images in pools.items():
        images[:filled] = _unpacked(state[name], images.dtype)
    self.queue_ptr = filled


def _images_of(self: Any) -> dict[str, torch.Tensor]:
    return {"lr": self.queue_lr, "gt": self.queue_gt}


def _packed(images: torch.Tensor) -> torch.Tensor:
    """Images as levels of 8 bits where these say the same to the last bit: a quarter of the size."""
    images = images.cpu()
    levels = (images * 255).round().clamp(0, 255).to(torch.uint8)
    return levels if torch.equal(_unpacked(levels, images.dtype), images) else images.clone()


def _unpacked(images: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    return images.to(dtype) / 255 if images.dtype == torch.uint8 else images


@patch(
    "sinc_kernel",
    "prefetch_mode: cpu: its thread warns of a division by zero at the centre of a kernel, which is set afterwards",
)
def make_sinc_kernels_quietly() -> bool:
    """Make a sinc kernel without the warning about its centre, whose value BasicSR sets afterwards."""
    return replace_everywhere(degradations, "circular_lowpass_kernel", _without_warning)


def _without_warning(original: Callable[..., Any]) -> Callable[..., Any]:
    def circular_lowpass_kernel(*args: Any, **kwargs: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return original(*args, **kwargs)

    return circular_lowpass_kernel


@patch(
    "filter_layout",
    "filter2D views tensors that are not contiguous, and refuses images of half its kernel's size",
)
def filter_any_layout() -> bool:
    """Let ``filter2D`` take images in any memory layout and of any size, mirrored as often as the kernel is larger."""
    return replace_everywhere(img_process_util, "filter2D", _filtering_all)


def _filtering_all(original: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    def filter_2d(img: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        (height, width), reach = img.shape[-2:], kernel.shape[-1] // 2
        if min(height, width) <= reach:
            img = mirrored(img, max(height, width) + reach)
        return original(img.contiguous(), kernel.contiguous())[..., :height, :width]

    return filter_2d

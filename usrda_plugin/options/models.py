"""What each model needs to train: networks, losses, and Real-ESRGAN's degradations."""

from __future__ import annotations

from typing import Any

from usrda_plugin.options.registered import MODELS, find
from usrda_plugin.options.terms import check_terms
from usrda_plugin.options.validation import Review

REAL_ESRGAN = (
    *("resize_prob", "resize_range", "gaussian_noise_prob", "noise_range", "poisson_scale_range", "gray_noise_prob"),
    *("jpeg_range", "second_blur_prob", "resize_prob2", "resize_range2", "gaussian_noise_prob2", "noise_range2"),
    *("poisson_scale_range2", "gray_noise_prob2", "jpeg_range2", "gt_size"),
)
SHARPENING = {"RealESRGANModel": ("l1_gt_usm", "percep_gt_usm", "gan_gt_usm"), "RealESRNetModel": ("gt_usm",)}
# how USRDAModel takes a step, beside its switches
OF_OUR_STEP = ("gradient_accumulation_steps", "clip_grad_norm", "log_grad_norm")


def check_model_needs(review: Review) -> None:
    """Check that the blocks are there that the model, if it is BasicSR's or ours, trains by."""
    from basicsr.models.sr_model import SRModel
    from basicsr.models.srgan_model import SRGANModel

    model: Any = find(MODELS, review.opt.get("model_type"))
    if model is None or any(fault.keys == ("train",) for fault in review.faults):
        return
    if issubclass(model, SRGANModel):
        for keys in (("network_d",), ("train", "optim_d"), ("train", "gan_opt")):
            review.need(keys, f"{model.__name__} trains a discriminator")
    elif issubclass(model, SRModel) and model.init_training_settings is SRModel.init_training_settings:
        _check_something_to_minimise(review, model.__name__)
    if model.__name__ in SHARPENING and review.at("high_order_degradation") is not False:
        for key in (*REAL_ESRGAN, *SHARPENING[model.__name__]):
            review.need((key,), f"{model.__name__} degrades images by it")
    if model.__name__ == "USRDAModel":
        check_terms(review)
        _check_micro_batches(review)
        _check_compiled(review)
    _check_switches_known(review, model)


def _check_micro_batches(review: Review) -> None:
    keys = ("train", "gradient_accumulation_steps")
    parts, batch = review.at(*keys), review.at("datasets", "train", "batch_size_per_gpu")
    if not isinstance(parts, int) or parts < 2:
        return
    if isinstance(batch, int) and batch > 0 and batch % parts:
        fitting = max(number for number in range(1, min(parts, batch) + 1) if not batch % number)
        message = f"a batch of {batch} (batch_size_per_gpu) cannot be cut into {parts} equal parts"
        remedy = f"set batch_size_per_gpu: {parts * -(-batch // parts)}, or gradient_accumulation_steps: {fitting}"
        review.fault(keys, message, remedy)
    for name, block in review.block("train").items():
        if isinstance(block, dict) and (block.get("reduction") == "sum" or block.get("criterion") == "fro"):
            message = f"{name} adds up over the batch, so parts of a batch would not give the result of the whole"
            review.fault(keys, message, f"give {name} a mean (reduction: mean, criterion: l1), or remove this key")


def _check_compiled(review: Review) -> None:
    from usrda_plugin.models.performance import COMPILED_CONCAT

    if review.at("train", "compile") is True and review.at("train", "gradient_checkpointing") == "concat":
        review.fault(("train", "gradient_checkpointing"), *COMPILED_CONCAT)


def _check_switches_known(review: Review, model: Any) -> None:
    """BasicSR's own models would pass over what they do not know, or break off."""
    if model.__name__ == "HiFaceGANModel" and review.at("train", "ema_decay"):
        review.fault(("train", "ema_decay"), "HiFaceGANModel keeps no average of its network", "remove it")
    from usrda_plugin.models.performance import PerformanceOptions

    for name in (*PerformanceOptions._fields, *OF_OUR_STEP) if model.__module__.startswith("basicsr.") else ():
        if review.at("train", name) is not None:
            review.fault(("train", name), f"{model.__name__} does not know it and would ignore it", "remove it")


def _check_something_to_minimise(review: Review, model: str) -> None:
    if not review.at("train", "pixel_opt") and not review.at("train", "perceptual_opt"):
        review.fault(("train", "pixel_opt"), f"{model} has nothing to minimise", "add pixel_opt or perceptual_opt")

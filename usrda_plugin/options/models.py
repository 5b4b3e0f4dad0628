"""What each model needs to train: networks, losses, critics, target images, iterations."""

from __future__ import annotations

from typing import Any

from usrda_plugin.options.components import MODELS, argument_of, find
from usrda_plugin.options.validation import Validation

REAL_ESRGAN = (
    *("resize_prob", "resize_range", "gaussian_noise_prob", "noise_range", "poisson_scale_range", "gray_noise_prob"),
    *("jpeg_range", "second_blur_prob", "resize_prob2", "resize_range2", "gaussian_noise_prob2", "noise_range2"),
    *("poisson_scale_range2", "gray_noise_prob2", "jpeg_range2", "gt_size"),
)
SHARPENING = {"RealESRGANModel": ("l1_gt_usm", "percep_gt_usm", "gan_gt_usm"), "RealESRNetModel": ("gt_usm",)}
# how USRDAModel takes a step, beside its switches
OF_OUR_STEP = ("gradient_accumulation_steps", "clip_grad_norm", "log_grad_norm")


def check_model_needs(validation: Validation) -> None:
    """Check that the blocks are there that the model, if it is BasicSR's or ours, trains by."""
    from basicsr.models.sr_model import SRModel
    from basicsr.models.srgan_model import SRGANModel

    model: Any = find(MODELS, validation.opt.get("model_type"))
    if model is None or any(error.keys == ("train",) for error in validation.errors):
        return
    if issubclass(model, SRGANModel):
        for keys in (("network_d",), ("train", "optim_d"), ("train", "gan_opt")):
            validation.need(keys, f"{model.__name__} trains a discriminator")
    elif issubclass(model, SRModel) and model.init_training_settings is SRModel.init_training_settings:
        _check_something_to_minimise(validation, model.__name__)
    if model.__name__ in SHARPENING and validation.at("high_order_degradation") is not False:
        for key in (*REAL_ESRGAN, *SHARPENING[model.__name__]):
            validation.need((key,), f"{model.__name__} degrades images by it")
    if model.__name__ == "USRDAModel":
        _check_terms(validation)
        _check_micro_batches(validation)
        _check_compiled(validation)
    _check_switches_known(validation, model)


def _check_micro_batches(validation: Validation) -> None:
    keys = ("train", "gradient_accumulation_steps")
    parts, batch = validation.at(*keys), validation.at("datasets", "train", "batch_size_per_gpu")
    if not isinstance(parts, int) or parts < 2:
        return
    if isinstance(batch, int) and batch > 0 and batch % parts:
        fitting = max(number for number in range(1, min(parts, batch) + 1) if not batch % number)
        message = f"a batch of {batch} (batch_size_per_gpu) cannot be cut into {parts} equal parts"
        remedy = f"set batch_size_per_gpu: {parts * -(-batch // parts)}, or gradient_accumulation_steps: {fitting}"
        validation.error(keys, message, remedy)
    for name, block in validation.block("train").items():
        if isinstance(block, dict) and (block.get("reduction") == "sum" or block.get("criterion") == "fro"):
            message = f"{name} adds up over the batch, so parts of a batch would not give the result of the whole"
            validation.error(keys, message, f"give {name} a mean (reduction: mean, criterion: l1), or remove this key")


def _check_compiled(validation: Validation) -> None:
    from usrda_plugin.models.performance import COMPILED_CONCAT

    if validation.at("train", "compile") is True and validation.at("train", "gradient_checkpointing") == "concat":
        validation.error(("train", "gradient_checkpointing"), *COMPILED_CONCAT)


def _check_switches_known(validation: Validation, model: Any) -> None:
    """BasicSR's own models would pass over what they do not know, or break off."""
    if model.__name__ == "HiFaceGANModel" and validation.at("train", "ema_decay"):
        validation.error(("train", "ema_decay"), "HiFaceGANModel keeps no average of its network", "remove it")
    from usrda_plugin.models.performance import Switches

    for name in (*Switches._fields, *OF_OUR_STEP) if model.__module__.startswith("basicsr.") else ():
        if validation.at("train", name) is not None:
            validation.error(("train", name), f"{model.__name__} does not know it and would ignore it", "remove it")


def _check_something_to_minimise(validation: Validation, model: str) -> None:
    if not validation.at("train", "pixel_opt") and not validation.at("train", "perceptual_opt"):
        validation.error(("train", "pixel_opt"), f"{model} has nothing to minimise", "add pixel_opt or perceptual_opt")


# the terms of USR-DA that cannot do without a target domain
OF_TARGET = ("align", "res", "sty", "hr", "con", "tea")


def _check_terms(validation: Validation) -> None:
    """Critics and target images that the active terms of USR-DA ask for."""
    from usrda_plugin.method import CRITIC_TERMS
    from usrda_plugin.models.criteria import active_terms, misses_of_extensions
    from usrda_plugin.models.objective import asking_terms

    # what is no block has been reported
    train = {key: block for key, block in validation.block("train").items() if isinstance(block, dict)}
    active, asking = active_terms(train), asking_terms(train)
    if not active:
        remedy = "add at least rec_opt: {loss_weight: 1} and pixel_opt"
        validation.error(("train", "rec_opt"), "no term of USR-DA has a weight", remedy)
    for name, terms in asking.items():
        if terms:
            validation.need((f"network_d_{name}",), f"the terms {', '.join(terms)} ask this critic")
            validation.need(("train", "optim_d"), "critics are trained by it")
        elif validation.at("path", f"pretrain_network_d_{name}") is not None:
            message = "no active term asks this critic, so the file would never be loaded"
            wanted = " or ".join(f"{term}_opt" for term in CRITIC_TERMS[name].asked_by)
            remedy = f"remove it, or give {wanted} and {CRITIC_TERMS[name].criterion}_opt a weight"
            validation.error(("path", f"pretrain_network_d_{name}"), message, remedy)
    (_check_adversarial_phase if any(asking.values()) else _check_rests)(validation)
    _check_domains(validation, [term for term in active if term in OF_TARGET])
    if "align" in active:
        _check_feature_width(validation)
        _check_no_pairs(validation)
    for miss in misses_of_extensions({**train, "ema_decay": validation.at("train", "ema_decay")}):
        keys = ("train", miss.block, miss.argument) if miss.argument else ("train", miss.block)
        validation.error(keys, miss.message, miss.remedy)


def _check_rests(validation: Validation) -> None:
    """Without a critic to train, an iteration in which the generator rests does nothing."""
    for key, least in (("net_d_iters", 2), ("net_d_init_iters", 1)):
        value = validation.at("train", key)
        if isinstance(value, int) and value >= least:
            message = "the generator would rest for critics, and no active term asks one"
            validation.error(("train", key), message, "remove it, or give an adversarial term a weight")


def _check_adversarial_phase(validation: Validation) -> None:
    """The generator meets the critics only after ``psnr_iter`` and ``net_d_init_iters`` iterations."""
    counts = {key: validation.at("train", key) or 0 for key in ("psnr_iter", "net_d_init_iters")}
    total = validation.at("train", "total_iter")
    if not isinstance(total, int) or sum(counts.values()) < total:
        return
    told = " and ".join(f"{key} {count}" for key, count in counts.items() if count)
    message = f"the adversarial terms would never begin: {told} against total_iter {total}"
    remedy = f"set total_iter above {sum(counts.values())}, or begin earlier, or drop the adversarial terms"
    validation.error(("train", "psnr_iter" if counts["psnr_iter"] else "net_d_init_iters"), message, remedy)


def _check_feature_width(validation: Validation) -> None:
    """D_f judges feature maps, so it takes as many channels as these have."""
    made = argument_of(validation.block("network_g"), "num_feat")
    judged = argument_of(validation.block("network_d_f"), "num_in_ch")
    # a width below 1 is reported where it stands
    if None not in (made, judged) and made != judged and isinstance(made, int) and made >= 1:
        message = f"network_d_f takes {judged} channels, but the feature maps of network_g have {made} (its num_feat)"
        validation.error(("network_d_f", "num_in_ch"), message, f"set num_in_ch: {made}")


def _check_no_pairs(validation: Validation) -> None:
    """Alignment wants both domains to look undecided, which pairs cannot say."""
    if validation.at("train", "align_opt", "type") == "USRDARelativisticLoss":
        message = "USRDARelativisticLoss compares pairs, and align wants one answer to both domains"
        validation.error(("train", "align_opt", "type"), message, "write USRDAAlignLoss")


def _check_domains(validation: Validation, wanting: list[str]) -> None:
    keys, dataset = ("datasets", "train"), validation.block("datasets", "train")
    if dataset.get("type") == "USRDASourceDataset":
        message = "USRDASourceDataset makes pairs for BasicSR's models; USRDAModel needs both domains"
        validation.error((*keys, "type"), message, "write USRDADataset")
    if wanting and dataset.get("type") == "USRDADataset" and not dataset.get("dataroot_target"):
        message = f"the terms {', '.join(wanting)} look at target images, and there are none"
        validation.error((*keys, "dataroot_target"), message, "give a folder of target images, or drop these terms")

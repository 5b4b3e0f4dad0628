"""What each model is fed with and needs: the batches that data sets give, networks, losses, critics, iterations."""

from __future__ import annotations

from typing import Any

from basicsr.models.sr_model import SRModel
from basicsr.models.srgan_model import SRGANModel
from basicsr.models.video_base_model import VideoBaseModel

from usrda_plugin.method import CRITIC_TERMS, reads_target
from usrda_plugin.metrics import needs_reference
from usrda_plugin.models import USRDAModel
from usrda_plugin.models.criteria import CRITIC_BLOCKS, active_terms, asking_terms, missing_requirements
from usrda_plugin.models.performance import COMPILED_CONCAT, PerformanceOptions
from usrda_plugin.options.components import DATASETS, METRICS, MODELS, NETWORKS, argument_of, find, is_foreign
from usrda_plugin.options.validation import Validation

SIGNALS = ("val", "signals")
ALONE = "SingleImageDataset"
"""The data set of images without ground truth."""
PAIRS, INPUT, HR = "LR and HR images", "LR images", "HR images with blur kernels"
CLIPS, DOMAINS = "clips", "two domains"
GIVES: dict[str, tuple[str, ...]] = {
    "PairedImageDataset": (PAIRS, INPUT),
    "RealESRGANPairedDataset": (PAIRS, INPUT),
    "USRDASourceDataset": (PAIRS,),  # patches drawn at random, nothing to validate on
    ALONE: (INPUT,),
    "RealESRGANDataset": (HR,),
    "USRDADataset": (DOMAINS,),
}
EXAMPLES = {
    PAIRS: "PairedImageDataset",
    INPUT: "PairedImageDataset or SingleImageDataset",
    HR: "RealESRGANDataset",
    CLIPS: "REDSDataset",
    DOMAINS: "USRDADataset",
}
REAL_ESRGAN = (
    *("resize_prob", "resize_range", "gaussian_noise_prob", "noise_range", "poisson_scale_range", "gray_noise_prob"),
    *("jpeg_range", "second_blur_prob", "resize_prob2", "resize_range2", "gaussian_noise_prob2", "noise_range2"),
    *("poisson_scale_range2", "gray_noise_prob2", "jpeg_range2", "gt_size"),
)
SHARPENING = {"RealESRGANModel": ("l1_gt_usm", "percep_gt_usm", "gan_gt_usm"), "RealESRNetModel": ("gt_usm",)}
# how USRDAModel takes a step, beside its switches
OF_OUR_STEP = ("gradient_accumulation_steps", "clip_grad_norm", "log_grad_norm")


def check_batch_contract(validation: Validation) -> None:
    """Check that each data set gives what the model is fed with, where both are BasicSR's or ours."""
    for phase, dataset in validation.datasets():
        name, wanted = dataset.get("type"), _wanted(validation, phase)
        item = find(DATASETS, name)
        if item is None or wanted is None or is_foreign(DATASETS, name):
            continue
        if wanted not in GIVES.get(item.__name__, (CLIPS,)):
            message = f"{validation.at('model_type')} is fed with {wanted}, which {name} does not give"
            validation.error(("datasets", phase, "type"), message, f"take {EXAMPLES[wanted]}")
    if validation.is_train and validation.at("model_type") == "USRDAModel":
        _check_makes_a_pass(validation)


def _wanted(validation: Validation, phase: str) -> str | None:
    """What the model is fed with in this phase; None where that is not known."""
    name = validation.at("model_type")
    model: Any = find(MODELS, name)
    if not (isinstance(model, type) and issubclass(model, SRModel)) or is_foreign(MODELS, name):
        return None
    if issubclass(model, VideoBaseModel):
        return CLIPS
    if phase != "train":
        return INPUT
    if model.__name__ == "USRDAModel":
        return DOMAINS
    degrades = model.__name__ in ("RealESRGANModel", "RealESRNetModel")
    return HR if degrades and validation.at("high_order_degradation") is not False else PAIRS


def _check_makes_a_pass(validation: Validation) -> None:
    """USRDAModel calls its network for a whole training pass."""
    network: Any = find(NETWORKS, validation.at("network_g", "type"))
    code = getattr(getattr(network, "forward", None), "__code__", None)
    if code is not None and "needs" not in code.co_varnames[: code.co_argcount]:
        message = f"USRDAModel trains networks that make a pass of USR-DA, and {network.__name__} makes images alone"
        validation.error(("network_g", "type"), message, "write USRDANet")


def check_ground_truth(validation: Validation) -> None:
    """Check that each metric can be computed of one data set at least."""
    sets = [(phase, dataset) for phase, dataset in validation.datasets() if phase != "train"]
    alone = [phase for phase, dataset in sets if dataset.get("type") == ALONE]
    for name, metric in validation.block("val", "metrics").items():
        function: Any = find(METRICS, metric.get("type")) if isinstance(metric, dict) else None
        code = getattr(function, "__code__", None)
        if code is not None and function.__module__.startswith("basicsr.") and function.__name__.endswith("_pt"):
            message = f"{metric['type']} takes batches of tensors, and validation gives it pictures"
            validation.error(("val", "metrics", name, "type"), message, f"write {metric['type'].removesuffix('_pt')}")
        if alone and len(alone) == len(sets) and code is not None and needs_reference(function):
            message = f"{metric['type']} compares with ground truth, which {', '.join(alone)} ({ALONE}) has not"
            validation.error(("val", "metrics", name), message, "remove the metric, or test on a PairedImageDataset")


def check_signals(validation: Validation) -> None:
    """Check that the block ``val: signals``, where there is one, has what it is measured by and on."""
    if validation.at(*SIGNALS) is None:
        return
    name = validation.at("model_type")
    model: Any = find(MODELS, name)
    if model is not None and not (isinstance(model, type) and issubclass(model, USRDAModel)):
        validation.error(SIGNALS, f"{name} does not measure them; USRDAModel does", "remove the block")
        return
    train, sets = validation.block("datasets", "train"), [phase for phase, _ in validation.datasets()]
    if train and not train.get("dataroot_target"):
        message = "they are measured on target photographs, and datasets: train has none"
        validation.error(SIGNALS, message, "give dataroot_target (USRDADataset), or remove the block")
    elif not any(phase.startswith("val") for phase in sets):
        message = "they are measured at each validation, and there is no data set to validate on"
        remedy = "add datasets: val, without pairs e.g. {name: photographs, type: SingleImageDataset, dataroot_lq: ...}"
        validation.error(SIGNALS, message, remedy)


def check_model_needs(validation: Validation) -> None:
    """Check that the blocks are there that the model, if it is BasicSR's or ours, trains by."""
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
    if validation.at("train", "compile") is True and validation.at("train", "gradient_checkpointing") == "concat":
        validation.error(("train", "gradient_checkpointing"), *COMPILED_CONCAT)


def _check_switches_known(validation: Validation, model: Any) -> None:
    """BasicSR's own models would pass over what they do not know, or break off."""
    if model.__name__ == "HiFaceGANModel" and validation.at("train", "ema_decay"):
        validation.error(("train", "ema_decay"), "HiFaceGANModel keeps no average of its network", "remove it")
    for name in (*PerformanceOptions._fields, *OF_OUR_STEP) if model.__module__.startswith("basicsr.") else ():
        if validation.at("train", name) is not None:
            validation.error(("train", name), f"{model.__name__} does not know it and would ignore it", "remove it")


def _check_something_to_minimise(validation: Validation, model: str) -> None:
    if not validation.at("train", "pixel_opt") and not validation.at("train", "perceptual_opt"):
        validation.error(("train", "pixel_opt"), f"{model} has nothing to minimise", "add pixel_opt or perceptual_opt")


def _check_terms(validation: Validation) -> None:
    """Critics and target images that the active terms of USR-DA ask for."""
    # what is no block has been reported
    train = {key: block for key, block in validation.block("train").items() if isinstance(block, dict)}
    active, asking = active_terms(train), asking_terms(train)
    for name, terms in asking.items():
        if terms:
            validation.need((f"network_d_{name}",), f"the terms {', '.join(terms)} ask this critic")
            validation.need(("train", "optim_d"), "critics are trained by it")
        elif validation.at("path", f"pretrain_network_d_{name}") is not None:
            message = "no active term asks this critic, so the file would never be loaded"
            wanted = " or ".join(f"{term}_opt" for term in CRITIC_TERMS[name].asked_by)
            remedy = f"remove it, or give {wanted} and {CRITIC_BLOCKS[name]} a weight"
            validation.error(("path", f"pretrain_network_d_{name}"), message, remedy)
    (_check_adversarial_phase if any(asking.values()) else _check_rests)(validation)
    _check_domains(validation, [term for term in active if reads_target(term)])
    if "align" in active:
        _check_feature_width(validation)
    numbers = {key: validation.at("train", key) for key in ("ema_decay", "psnr_iter")}
    for missing in missing_requirements({**train, **numbers}):
        validation.error(("train", *missing.keys), missing.message, missing.remedy)


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


def _check_domains(validation: Validation, wanting: list[str]) -> None:
    keys, dataset = ("datasets", "train"), validation.block("datasets", "train")
    if dataset.get("type") == "USRDASourceDataset":
        message = "USRDASourceDataset makes pairs for BasicSR's models; USRDAModel needs both domains"
        validation.error((*keys, "type"), message, "write USRDADataset")
    if wanting and dataset.get("type") == "USRDADataset" and not dataset.get("dataroot_target"):
        message = f"the terms {', '.join(wanting)} look at target images, and there are none"
        validation.error((*keys, "dataroot_target"), message, "give a folder of target images, or drop these terms")

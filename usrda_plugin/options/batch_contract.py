"""What data sets give: what models are fed with, and metrics and signals are measured on."""

from __future__ import annotations

from typing import Any

from usrda_plugin.metrics import needs_reference
from usrda_plugin.options.components import DATASETS, METRICS, MODELS, NETWORKS, find, is_foreign
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
    from basicsr.models.sr_model import SRModel
    from basicsr.models.video_base_model import VideoBaseModel

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
    if code is not None and "wanted" not in code.co_varnames[: code.co_argcount]:
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
    from usrda_plugin.models import USRDAModel

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

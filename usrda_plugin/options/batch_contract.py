"""What data sets give, and what models are fed with."""

from __future__ import annotations

from typing import Any

from usrda_plugin.options.registered import MODELS, NETWORKS, find, is_foreign
from usrda_plugin.options.schema_data import OtherDataset, dataset_model
from usrda_plugin.options.validation import Review

PAIRS, INPUT, HR = "LR and HR images", "LR images", "HR images with blur kernels"
CLIPS, DOMAINS = "clips", "two domains"
GIVES: dict[str, tuple[str, ...]] = {
    "PairedImageDataset": (PAIRS, INPUT),
    "RealESRGANPairedDataset": (PAIRS, INPUT),
    "USRDASourceDataset": (PAIRS,),  # patches drawn at random, nothing to validate on
    "SingleImageDataset": (INPUT,),
    "RealESRGANDataset": (HR,),
    "USRDADataset": (DOMAINS,),
    "FFHQDataset": (),
    "VideoDataset": (CLIPS,),
}
EXAMPLES = {
    PAIRS: "PairedImageDataset",
    INPUT: "PairedImageDataset or SingleImageDataset",
    HR: "RealESRGANDataset",
    CLIPS: "REDSDataset",
    DOMAINS: "USRDADataset",
}


def check_feeds(review: Review) -> None:
    """Check that each data set gives what the model is fed with, where both are BasicSR's or ours."""
    for phase, dataset in review.datasets():
        name, model = dataset.get("type"), dataset_model(dataset.get("type"))
        wanted = _wanted(review, phase)
        if wanted is not None and model is not OtherDataset and wanted not in GIVES[model.__name__]:
            message = f"{review.at('model_type')} is fed with {wanted}, which {name} does not give"
            review.fault(("datasets", phase, "type"), message, f"take {EXAMPLES[wanted]}")
    if review.is_train and review.at("model_type") == "USRDAModel":
        _check_makes_a_pass(review)


def _wanted(review: Review, phase: str) -> str | None:
    """What the model is fed with in this phase; None where that is not known."""
    from basicsr.models.sr_model import SRModel
    from basicsr.models.video_base_model import VideoBaseModel

    name = review.at("model_type")
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
    return HR if degrades and review.at("high_order_degradation") is not False else PAIRS


def _check_makes_a_pass(review: Review) -> None:
    """USRDAModel calls its network for a whole training pass."""
    network: Any = find(NETWORKS, review.at("network_g", "type"))
    code = getattr(getattr(network, "forward", None), "__code__", None)
    if code is not None and "needs" not in code.co_varnames[: code.co_argcount]:
        message = f"USRDAModel trains networks that make a pass of USR-DA, and {network.__name__} makes images alone"
        review.fault(("network_g", "type"), message, "write USRDANet")

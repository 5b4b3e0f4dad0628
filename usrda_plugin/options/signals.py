"""What signals without ground truth need: our model, a target domain, and a validation at which they are measured."""

from __future__ import annotations

from typing import Any

from usrda_plugin.options.registered import MODELS, find
from usrda_plugin.options.validation import Review

KEYS = ("val", "signals")


def check_signals(review: Review) -> None:
    """Check that the block ``val: signals``, where there is one, has what it is measured by and on."""
    if review.at(*KEYS) is None:
        return
    name = review.at("model_type")
    model: Any = find(MODELS, name)
    if model is not None and not _measures(model):
        review.fault(KEYS, f"{name} does not measure them; USRDAModel does", "remove the block")
        return
    train, sets = review.block("datasets", "train"), [phase for phase, _ in review.datasets()]
    if train and not train.get("dataroot_target"):
        message = "they are measured on target photographs, and datasets: train has none"
        review.fault(KEYS, message, "give dataroot_target (USRDADataset), or remove the block")
    elif not any(phase.startswith("val") for phase in sets):
        message = "they are measured at each validation, and there is no data set to validate on"
        remedy = "add datasets: val, without pairs e.g. {name: photographs, type: SingleImageDataset, dataroot_lq: ...}"
        review.fault(KEYS, message, remedy)


def _measures(model: Any) -> bool:
    from usrda_plugin.models import USRDAModel

    return isinstance(model, type) and issubclass(model, USRDAModel)

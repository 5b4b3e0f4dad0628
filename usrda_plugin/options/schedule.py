"""Optimizers, learning rates and epochs: their arguments, and whether they last until ``total_iter``."""

from __future__ import annotations

import math
import os
from typing import Any, NamedTuple, TypeGuard

import torch
from basicsr.models import lr_scheduler
from basicsr.models.base_model import BaseModel

from usrda_plugin.options.components import MODELS, check_arguments, find
from usrda_plugin.options.validation import Keys, Options, Validation, nearest

# BasicSR's names of its schedulers, and the classes that stand behind them
SCHEDULERS = {
    "MultiStepLR": "MultiStepRestartLR",
    "MultiStepRestartLR": "MultiStepRestartLR",
    "CosineAnnealingRestartLR": "CosineAnnealingRestartLR",
}


def check_optimizers(validation: Validation) -> None:
    """Check the optimizers against torch.optim and against what BasicSR offers."""
    known = [name for name, item in vars(torch.optim).items() if isinstance(item, type) and name != "Optimizer"]
    for key in ("optim_g", "optim_d"):
        keys, block = ("train", key), validation.at("train", key)
        if not isinstance(block, dict):
            continue
        name = block.get("type")
        if name not in known:
            message = f"expected an optimizer of torch.optim, found {name!r}"
            validation.error((*keys, "type"), message, nearest(str(name), known) or "try Adam")
            continue
        validation.need((*keys, "lr"), "BasicSR has no learning rate of its own")
        check_arguments(validation, vars(torch.optim)[name], keys, block, ("params",))
        _try_optimizer(validation, keys, block)


def _try_optimizer(validation: Validation, keys: Keys, block: Options) -> None:
    """Let BasicSR build the optimizer on one number: it knows which it offers, and torch which values it takes."""
    model: Any = find(MODELS, validation.opt.get("model_type"))
    if not hasattr(model, "get_optimizer") or model.get_optimizer is not BaseModel.get_optimizer:
        return
    wrong = {error.keys for error in validation.errors}
    arguments = {name: value for name, value in block.items() if name != "type" and (*keys, name) not in wrong}
    try:
        BaseModel.get_optimizer(None, block["type"], [torch.zeros(1, requires_grad=True)], **arguments)
    except NotImplementedError:
        validation.error((*keys, "type"), f"this BasicSR does not offer the optimizer {block['type']}", "use Adam")
    except ValueError as error:
        validation.error(keys, str(error), "correct the value")
    except TypeError:
        pass  # a missing argument, which is reported already


def check_scheduler(validation: Validation) -> None:
    """Check the scheduler against BasicSR's classes, and that it lasts until ``total_iter``."""
    block, keys = validation.at("train", "scheduler"), ("train", "scheduler")
    model = find(MODELS, validation.opt.get("model_type"))
    if not isinstance(block, dict) or getattr(model, "setup_schedulers", None) is not BaseModel.setup_schedulers:
        return
    name = str(block.get("type"))
    if name not in SCHEDULERS:
        remedy = nearest(name, SCHEDULERS) or f"known: {', '.join(SCHEDULERS)}"
        validation.error((*keys, "type"), f"BasicSR has no scheduler {name!r}", remedy)
        return
    check_arguments(validation, vars(lr_scheduler)[SCHEDULERS[name]], keys, block, ("optimizer", "last_epoch"))
    if SCHEDULERS[name] == "CosineAnnealingRestartLR":
        _check_periods(validation, keys, block)
    else:
        _check_steps(validation, keys, block)


def _check_periods(validation: Validation, keys: Keys, block: Options) -> None:
    periods, total = block.get("periods"), validation.at("train", "total_iter")
    if not _positive(periods):
        if periods is not None:
            message = f"expected a list of iteration counts above 0, found {periods!r}"
            validation.error((*keys, "periods"), message, "e.g. [100000]")
        return
    weights = block.get("restart_weights", [1])
    if isinstance(weights, list) and len(weights) != len(periods):
        message = f"expected {len(periods)} weights, one for each period, found {len(weights)}"
        validation.error((*keys, "restart_weights"), message, f"write e.g. {[1] * len(periods)}")
    if isinstance(total, int) and sum(periods) < total:
        message = f"the periods end after {sum(periods)} iterations, where BasicSR breaks off; total_iter is {total}"
        longer = [*periods[:-1], periods[-1] + total - sum(periods)]
        remedy = f"lengthen the periods, e.g. {longer}, or set total_iter: {sum(periods)}"
        validation.error((*keys, "periods"), message, remedy)


def _check_steps(validation: Validation, keys: Keys, block: Options) -> None:
    milestones = block.get("milestones")
    if isinstance(milestones, list) and (
        sorted(set(milestones)) != milestones or not all(step > 0 for step in milestones)
    ):
        message = f"expected iterations above 0 in rising order, found {milestones}"
        validation.error((*keys, "milestones"), message, f"write {sorted({step for step in milestones if step > 0})}")
    restarts, weights = block.get("restarts", [0]), block.get("restart_weights", [1])
    if isinstance(restarts, list) and isinstance(weights, list) and len(restarts) != len(weights):
        message = f"expected {len(restarts)} weights, one for each of restarts {restarts}, found {len(weights)}"
        validation.error((*keys, "restart_weights"), message, f"write e.g. {[1] * len(restarts)}")


def _positive(counts: Any) -> TypeGuard[list[int]]:
    return isinstance(counts, list) and bool(counts) and all(isinstance(count, int) and count > 0 for count in counts)


class Loop(NamedTuple):
    """What BasicSR's training loop goes by: ``batch`` is the loader's, ``counted`` the one that counts epochs."""

    images: int
    processes: int
    batch: int
    counted: int
    total_iter: int

    def available(self, ratio: float) -> int:
        """Iterations that the loop has before its epochs are over, with this ``dataset_enlarge_ratio``."""
        per_process = math.ceil(self.images * ratio / self.processes)
        epochs = math.ceil(self.total_iter / math.ceil(self.images * ratio / self.counted))
        return (epochs + 1) * (per_process // self.batch)

    def sufficient_ratio(self) -> int:
        """A whole ``dataset_enlarge_ratio`` that suffices, as small as bisection finds."""
        high = 1
        while self.available(high) < self.total_iter:
            high *= 2
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.available(middle) >= self.total_iter else (middle, high)
        return high


def check_epochs(validation: Validation, counts: dict[str, int]) -> None:
    """Check that training does not end before ``total_iter``; ``counts`` are the data sets' samples by phase.

    The number of processes is torchrun's WORLD_SIZE; without it there is one, with a batch for each GPU.
    """
    train, total = validation.block("datasets", "train"), validation.at("train", "total_iter")
    batch, images = train.get("batch_size_per_gpu"), counts.get("train")
    if not (images and isinstance(batch, int) and isinstance(total, int)):
        return
    processes = _processes()
    gpus = validation.opt.get("num_gpu")
    spread = max(gpus, 1) if processes is None and isinstance(gpus, int) else 1
    loop = Loop(images, processes or 1, batch * spread, batch * (processes or 1), total)
    ratio = train.get("dataset_enlarge_ratio") or 1
    available = loop.available(ratio)
    if available < total:
        what = f"{images} images times {ratio:g} in batches of {loop.batch}"
        too_few = "are fewer than one batch, so nothing would be trained"
        end = f"end training after {available} iterations" if available else too_few
        message = f"{what} {end}; total_iter is {total}"
        remedy = f"set dataset_enlarge_ratio: {loop.sufficient_ratio()} (or more)"
        validation.error(("datasets", "train", "dataset_enlarge_ratio"), message, remedy)


def _processes() -> int | None:
    text = os.environ.get("WORLD_SIZE", "")
    return int(text) if text.isdigit() and int(text) > 0 else None

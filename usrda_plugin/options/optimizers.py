"""Optimizers and learning-rate schedules: their names, their arguments, and whether the schedule lasts (or breaks)."""

from __future__ import annotations

from typing import Any, TypeGuard

import torch

from usrda_plugin.options.arguments import call_of
from usrda_plugin.options.components import check_call, leave_out_nulls
from usrda_plugin.options.faults import Keys, nearest
from usrda_plugin.options.registered import MODELS, find
from usrda_plugin.options.validation import Options, Review

# BasicSR's names of its schedulers, and the classes that stand behind them
SCHEDULERS = {
    "MultiStepLR": "MultiStepRestartLR",
    "MultiStepRestartLR": "MultiStepRestartLR",
    "CosineAnnealingRestartLR": "CosineAnnealingRestartLR",
}


def check_optimizers(review: Review) -> None:
    """Check the optimizers against torch.optim and against what BasicSR offers."""
    known = [name for name, item in vars(torch.optim).items() if isinstance(item, type) and name != "Optimizer"]
    for key in ("optim_g", "optim_d"):
        keys, block = ("train", key), review.at("train", key)
        if not isinstance(block, dict):
            continue
        name = block.get("type")
        if name not in known:
            review.fault(
                (*keys, "type"),
                f"expected an optimizer of torch.optim, found {name!r}",
                nearest(str(name), known) or "try Adam",
            )
            continue
        review.need((*keys, "lr"), "BasicSR has no learning rate of its own")
        call = call_of(vars(torch.optim)[name], ("params",))
        if call is not None:
            leave_out_nulls(call, block)
            check_call(review, call, keys, block)
        _try_optimizer(review, keys, block)


def _try_optimizer(review: Review, keys: Keys, block: Options) -> None:
    """Let BasicSR build the optimizer on one number: it knows which it offers, and torch which values it takes."""
    from basicsr.models.base_model import BaseModel

    model: Any = find(MODELS, review.opt.get("model_type"))
    if not hasattr(model, "get_optimizer") or model.get_optimizer is not BaseModel.get_optimizer:
        return
    wrong = {fault.keys for fault in review.faults}
    arguments = {name: value for name, value in block.items() if name != "type" and (*keys, name) not in wrong}
    try:
        BaseModel.get_optimizer(None, block["type"], [torch.zeros(1, requires_grad=True)], **arguments)
    except NotImplementedError:
        review.fault((*keys, "type"), f"this BasicSR does not offer the optimizer {block['type']}", "use Adam")
    except ValueError as error:
        review.fault(keys, str(error), "correct the value")
    except TypeError:
        pass  # a missing argument, which is reported already


def check_scheduler(review: Review) -> None:
    """Check the scheduler against BasicSR's classes, and that it lasts until ``total_iter``."""
    from basicsr.models import lr_scheduler
    from basicsr.models.base_model import BaseModel

    block, keys = review.at("train", "scheduler"), ("train", "scheduler")
    model = find(MODELS, review.opt.get("model_type"))
    if not isinstance(block, dict) or getattr(model, "setup_schedulers", None) is not BaseModel.setup_schedulers:
        return
    name = str(block.get("type"))
    if name not in SCHEDULERS:
        remedy = nearest(name, SCHEDULERS) or f"known: {', '.join(SCHEDULERS)}"
        review.fault((*keys, "type"), f"BasicSR has no scheduler {name!r}", remedy)
        return
    call = call_of(vars(lr_scheduler)[SCHEDULERS[name]], ("optimizer", "last_epoch"))
    if call is not None:
        leave_out_nulls(call, block)
        check_call(review, call, keys, block)
    if SCHEDULERS[name] == "CosineAnnealingRestartLR":
        _check_periods(review, keys, block)
    else:
        _check_steps(review, keys, block)


def _check_periods(review: Review, keys: Keys, block: Options) -> None:
    periods, total = block.get("periods"), review.at("train", "total_iter")
    if not _positive(periods):
        if periods is not None:
            review.fault(
                (*keys, "periods"), f"expected a list of iteration counts above 0, found {periods!r}", "e.g. [100000]"
            )
        return
    weights = block.get("restart_weights", [1])
    if isinstance(weights, list) and len(weights) != len(periods):
        message = f"expected {len(periods)} weights, one for each period, found {len(weights)}"
        review.fault((*keys, "restart_weights"), message, f"write e.g. {[1] * len(periods)}")
    if isinstance(total, int) and sum(periods) < total:
        message = f"the periods end after {sum(periods)} iterations, where BasicSR breaks off; total_iter is {total}"
        longer = [*periods[:-1], periods[-1] + total - sum(periods)]
        review.fault(
            (*keys, "periods"), message, f"lengthen the periods, e.g. {longer}, or set total_iter: {sum(periods)}"
        )


def _check_steps(review: Review, keys: Keys, block: Options) -> None:
    milestones = block.get("milestones")
    if isinstance(milestones, list) and (
        sorted(set(milestones)) != milestones or not all(step > 0 for step in milestones)
    ):
        message = f"expected iterations above 0 in rising order, found {milestones}"
        review.fault((*keys, "milestones"), message, f"write {sorted({step for step in milestones if step > 0})}")
    restarts, weights = block.get("restarts", [0]), block.get("restart_weights", [1])
    if isinstance(restarts, list) and isinstance(weights, list) and len(restarts) != len(weights):
        message = f"expected {len(restarts)} weights, one for each of restarts {restarts}, found {len(weights)}"
        review.fault((*keys, "restart_weights"), message, f"write e.g. {[1] * len(restarts)}")


def _positive(counts: Any) -> TypeGuard[list[int]]:
    return isinstance(counts, list) and bool(counts) and all(isinstance(count, int) and count > 0 for count in counts)

"""Patches for BasicSR's models: their steps, their moving average, their validation and what it measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from basicsr.metrics import niqe
from basicsr.models.base_model import BaseModel
from basicsr.models.sr_model import SRModel
from basicsr.utils import get_root_logger
from basicsr.utils.registry import METRIC_REGISTRY

from usrda_plugin.metrics.niqe import nan_where_undefined
from usrda_plugin.models import guarded_steps
from usrda_plugin.models.validation import last_validated, validate
from usrda_plugin.patch import mentions, patch, replace, replace_everywhere

# where a class's nondist_validation comes from that may run in all processes at once
SHARING = (
    *("basicsr.models.sr_model", "basicsr.models.realesrgan_model", "basicsr.models.realesrnet_model"),
    "usrda_plugin.models.usrda_model",
)


@patch(
    "guarded_steps",
    "a loss or gradient that is not finite makes weights, moments, average and buffers nan, which are saved and"
    " resumed from; training goes on to its end and exit code 0",
)
def guard_steps() -> bool:
    """Let each model skip the steps whose loss or gradient is not finite; one that does so itself is left alone."""
    return replace(BaseModel, "setup_schedulers", _and_guard_steps)


def _and_guard_steps(original: Callable[..., None]) -> Callable[..., None]:
    def setup_schedulers(self: Any) -> None:
        original(self)  # the last thing that a model does before it is ready to train
        if not hasattr(self, "skipped_state"):
            guarded_steps.guard_steps(self)

    return setup_schedulers


@patch("ema_buffers", "the moving average of a network leaves out its buffers")
def average_buffers_too() -> bool:
    """Copy the buffers of the generator into its moving average."""
    return not mentions(BaseModel.model_ema, "named_buffers") and replace(BaseModel, "model_ema", _and_copy_buffers)


def _and_copy_buffers(original: Callable[..., None]) -> Callable[..., None]:
    @torch.no_grad()
    def model_ema(self: Any, decay: float = 0.999) -> None:
        original(self, decay)
        current = dict(self.get_bare_model(self.net_g).named_buffers())
        for name, buffer in self.net_g_ema.named_buffers():
            buffer.copy_(current[name])

    return model_ema


@patch("self_ensemble", "the self-ensemble of a network without moving average asks for its moving average")
def self_ensemble_without_average() -> bool:
    """Let the self-ensemble, where this BasicSR has one, run a network that has no moving average."""
    return hasattr(SRModel, "test_selfensemble") and replace(SRModel, "test_selfensemble", _with_net_g_for_average)


def _with_net_g_for_average(original: Callable[..., None]) -> Callable[..., None]:
    def test_selfensemble(self: Any) -> None:
        if hasattr(self, "net_g_ema"):
            return original(self)
        self.net_g_ema = self.net_g
        try:
            original(self)
        finally:
            del self.net_g_ema
            self.net_g.train()

    return test_selfensemble


@patch(
    "validation",
    "pictures of images that have one name, in one set or in several, overwrite each other; a side that the network"
    " does not take, a metric without ground truth and a full disk end the run; all processes wait for the first;"
    " a metric that was never defined has a best value",
)
def validate_in_one_way() -> bool:
    """Let all models of single images validate by ``usrda_plugin.models.validation``."""
    replace(SRModel, "dist_validation", lambda original: _dist_validation)
    replace(SRModel, "_log_validation_metric_values", lambda original: _log_validation_metric_values)
    return replace(SRModel, "nondist_validation", lambda original: _nondist_validation)


def _nondist_validation(self: Any, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool) -> None:
    validate(self, dataloader, current_iter, tb_logger, save_img)


def _dist_validation(self: Any, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool) -> None:
    """All processes, each with a share of the images; a model with a way of its own in the first one, as before."""
    if type(self).nondist_validation.__module__ in SHARING:
        self.nondist_validation(dataloader, current_iter, tb_logger, save_img)
    elif self.opt["rank"] == 0:
        with _alone(self):
            self.nondist_validation(dataloader, current_iter, tb_logger, save_img)


@contextmanager
def _alone(model: Any) -> Iterator[None]:
    options = model.opt
    model.opt = {**options, "dist": False}
    try:
        yield
    finally:
        model.opt = options


def _log_validation_metric_values(self: Any, current_iter: int | str, dataset_name: str, tb_logger: Any) -> None:
    lines = [f"Validation {dataset_name}"]
    for metric, value in self.metric_results.items():
        best = getattr(self, "best_metric_results", {}).get(dataset_name, {}).get(metric)
        # a test has one validation, and before a metric is defined for once there is no best
        is_known = self.opt["is_train"] and best and best["iter"] != -1
        known = f"\tBest: {best['val']:.4f} @ {best['iter']} iter" if is_known else ""
        lines.append(f"\t # {metric}: {value:.4f}{known}")
    left_out = [metric for metric in self.opt["val"]["metrics"] if metric not in self.metric_results]
    if left_out:
        lines.append(f"\t # without ground truth, so without {', '.join(left_out)}")
    get_root_logger().info("\n".join([*lines, ""]))
    for metric, value in self.metric_results.items() if tb_logger else ():
        tb_logger.add_scalar(f"metrics/{dataset_name}/{metric}", value, current_iter)


@patch(
    "last_validation",
    "the validation after training has a number above the last iteration's, and repeats what was just done",
)
def validate_the_end_once() -> bool:
    """Let the validation at the end have the last iteration's number, and be left out where it has been done."""
    return replace(BaseModel, "validation", _by_the_last_iteration)


def _by_the_last_iteration(original: Callable[..., None]) -> Callable[..., None]:
    def validation(self: Any, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool = False) -> None:
        total = self.opt["train"]["total_iter"] if self.opt["is_train"] and "train" in self.opt else None
        done = last_validated(self)
        name = dataloader.dataset.opt["name"]
        # BasicSR counts on when training is over, once in each epoch that is left
        if isinstance(current_iter, int) and total is not None and current_iter > total:
            current_iter = int(total)
            if done.get(name) == current_iter:
                return
        original(self, dataloader, current_iter, tb_logger, save_img)
        done[name] = current_iter

    return validation


@patch("niqe", "NIQE of a flat or a small image ends the run")
def survive_niqe() -> bool:
    """Let ``calculate_niqe`` answer nan, with a warning, for an image that it cannot judge."""
    replace_everywhere(niqe, "calculate_niqe", nan_where_undefined)
    METRIC_REGISTRY._obj_map["calculate_niqe"] = niqe.calculate_niqe
    return True

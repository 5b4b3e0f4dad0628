"""Seams for validation: one way for all models of single images, and the numbers that it is told by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from usrda_plugin.compat.record import replace

# where a class's nondist_validation comes from that may run in all processes at once
SHARING = (
    *("basicsr.models.sr_model", "basicsr.models.realesrgan_model", "basicsr.models.realesrnet_model"),
    "usrda_plugin.models.usrda_model",
)


def validate_in_one_way() -> bool:
    """Let all models of single images validate by ``usrda_plugin.models.validation``."""
    model = import_module("basicsr.models.sr_model").SRModel
    replace(model, "dist_validation", lambda original: _dist_validation)
    replace(model, "_log_validation_metric_values", lambda original: _log_validation_metric_values)
    return replace(model, "nondist_validation", lambda original: _nondist_validation)


def _nondist_validation(self: Any, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool) -> None:
    import_module("usrda_plugin.models.validation").validate(self, dataloader, current_iter, tb_logger, save_img)


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
    import_module("basicsr.utils").get_root_logger().info("\n".join([*lines, ""]))
    for metric, value in self.metric_results.items() if tb_logger else ():
        tb_logger.add_scalar(f"metrics/{dataset_name}/{metric}", value, current_iter)


def validate_the_end_once() -> bool:
    """Let the validation at the end have the last iteration's number, and be left out where it has been done."""
    return replace(import_module("basicsr.models.base_model").BaseModel, "validation", _by_the_last_iteration)


def _by_the_last_iteration(original: Callable[..., None]) -> Callable[..., None]:
    def validation(self: Any, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool = False) -> None:
        total = self.opt["train"]["total_iter"] if self.opt["is_train"] and "train" in self.opt else None
        done = import_module("usrda_plugin.models.validation").last_validated(self)
        name = dataloader.dataset.opt["name"] if dataloader is not None else None
        # BasicSR counts on when training is over, once in each epoch that is left
        if isinstance(current_iter, int) and total is not None and current_iter > total:
            current_iter = int(total)
            if done.get(name) == current_iter:
                return
        original(self, dataloader, current_iter, tb_logger, save_img)
        done[name] = current_iter

    return validation

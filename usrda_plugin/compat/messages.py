"""Seams for what BasicSR tells of a training."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from usrda_plugin.compat.record import mentions, replace

UNTRUE = "Multiple validation datasets are *only* supported by SRModel."


def estimate_the_time_left() -> bool:
    """Tell in how long a training will be done, by the iterations of this start; never a time that is past."""
    logger = import_module("basicsr.utils.logger").MessageLogger
    replace(logger, "reset_start_time", lambda original: _reset_start_time)
    return replace(logger, "__call__", _with_time_left)


def _reset_start_time(self: Any) -> None:
    """Forget the first iteration, which is slower than the others."""
    self.start_time, self.start_iter = time.time(), self.start_iter + 1


def _with_time_left(original: Callable[..., None]) -> Callable[..., None]:
    def __call__(self: Any, log_vars: dict[str, Any]) -> None:
        now, current_iter = time.time(), log_vars["iter"]
        done = current_iter - self.start_iter
        seconds_each = (now - self.start_time) / done if done > 0 else log_vars.get("time", 0.0)
        own = self.start_time, self.start_iter, self.max_iters
        # its formula: (now - start_time) / (iter - start_iter + 1) * (max_iters - iter - 1)
        left = seconds_each * max(self.max_iters - current_iter, 0)
        self.start_time, self.start_iter, self.max_iters = now - left, current_iter, current_iter + 2
        try:
            original(self, log_vars)
        finally:
            self.start_time, self.start_iter, self.max_iters = own

    return __call__


def know_several_validation_sets() -> bool:
    """Leave out the warning of several validation sets where the model takes them, as SRModel and its kin do."""
    train = import_module("basicsr.train")
    return mentions(train.train_pipeline, UNTRUE) and replace(train, "build_model", _and_warn_truly)


def _and_warn_truly(original: Callable[..., Any]) -> Callable[..., Any]:
    def build_model(opt: dict[str, Any]) -> Any:
        model = original(opt)
        is_one = isinstance(model, import_module("basicsr.models.sr_model").SRModel)
        is_video = isinstance(model, import_module("basicsr.models.video_base_model").VideoBaseModel)
        logger = import_module("basicsr.utils").get_root_logger()
        logger.removeFilter(_is_true_of_it)
        if is_one and not is_video:
            logger.addFilter(_is_true_of_it)
        return model

    return build_model


def _is_true_of_it(record: logging.LogRecord) -> bool:
    return record.msg != UNTRUE


def log_each_step_once() -> bool:
    """Let TensorBoard forget what a run has logged after the checkpoint from which it goes on."""
    return replace(import_module("basicsr.train"), "init_tb_loggers", _from_the_checkpoint)


def _from_the_checkpoint(original: Callable[..., Any]) -> Callable[..., Any]:
    def init_tb_loggers(opt: dict[str, Any]) -> Any:
        board = original(opt)
        state = Path(opt["path"].get("resume_state") or "")
        if board is not None and state.stem.isdigit():
            # what SummaryWriter writes for its purge_step, which BasicSR gives no way to set
            events = import_module("tensorboard.compat.proto.event_pb2")
            step, began = int(state.stem) + 1, events.SessionLog(status=events.SessionLog.START)
            for content in ({"file_version": "brain.Event:2"}, {"session_log": began}):
                board.file_writer.add_event(events.Event(step=step, **content))
        return board

    return init_tb_loggers

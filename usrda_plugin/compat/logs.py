"""Patches for what BasicSR reports of a training: its log, its time left, its warnings, TensorBoard and W&B."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from basicsr import train as basicsr_train
from basicsr.models.sr_model import SRModel
from basicsr.models.video_base_model import VideoBaseModel
from basicsr.utils import get_root_logger
from basicsr.utils import logger as basicsr_logger

from usrda_plugin.patch import mentions, patch, replace, replace_everywhere

UNTRUE = "Multiple validation datasets are *only* supported by SRModel."

_WAYS = (
    "log in once by `wandb login`, set WANDB_API_KEY, or set WANDB_MODE=offline and send the run later by `wandb sync`"
)


@patch("full_log", "on a full disk each line of the log brings a traceback")
def survive_full_disk() -> bool:
    """Say once that the log's file cannot be written, and go on: its lines are on the terminal as well."""
    return replace_everywhere(basicsr_logger, "get_root_logger", _with_quiet_file)


def _with_quiet_file(original: Callable[..., logging.Logger]) -> Callable[..., logging.Logger]:
    def get_root_logger(*args: Any, **kwargs: Any) -> logging.Logger:
        logger = original(*args, **kwargs)
        for handler in logger.handlers:
            if isinstance(handler, logging.FileHandler) and not isinstance(handler.handleError, _Once):
                vars(handler)["handleError"] = _Once(handler)
        return logger

    return get_root_logger


class _Once:
    """Takes the place of a handler's ``handleError``."""

    def __init__(self, handler: logging.FileHandler) -> None:
        self.handler, self.otherwise = handler, handler.handleError
        self.has_spoken = False

    def __call__(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.otherwise(record)
        elif not self.has_spoken:
            self.has_spoken = True
            reason = error.strerror or error
            print(
                f"{self.handler.baseFilename}: the log cannot be written ({reason}); it is here alone", file=sys.stderr
            )


@patch("wandb", "W&B that has no login, or no network, ends the start in a traceback of its own")
def explain_wandb_refusal() -> bool:
    """Raise ValueError with the ways out for whatever keeps W&B from beginning."""
    return replace_everywhere(basicsr_logger, "init_wandb_logger", _with_remedy)


def _with_remedy(original: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def init_wandb_logger(opt: dict[str, Any]) -> None:
        try:
            original(opt)
        except Exception as error:  # its own classes, of a package that need not be there
            raise ValueError(f"logger: wandb: W&B cannot begin: {error}; {_WAYS}") from error

    return init_wandb_logger


@patch("time_left", "the last iteration is said to end in -1 day, and one iteration too many counts as done")
def estimate_the_time_left() -> bool:
    """Report in how long a training will be done, by the iterations of this start; never a time that is past."""
    replace(basicsr_logger.MessageLogger, "reset_start_time", lambda original: _reset_start_time)
    return replace(basicsr_logger.MessageLogger, "__call__", _with_time_left)


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


@patch("several_sets", "several validation sets are warned of in each validation, as if the model did not take them")
def know_several_validation_sets() -> bool:
    """Leave out the warning of several validation sets where the model takes them, as SRModel and its kin do."""
    return mentions(basicsr_train.train_pipeline, UNTRUE) and replace(basicsr_train, "build_model", _and_warn_truly)


def _and_warn_truly(original: Callable[..., Any]) -> Callable[..., Any]:
    def build_model(opt: dict[str, Any]) -> Any:
        model = original(opt)
        logger = get_root_logger()
        logger.removeFilter(_is_true_of_it)
        if isinstance(model, SRModel) and not isinstance(model, VideoBaseModel):
            logger.addFilter(_is_true_of_it)
        return model

    return build_model


def _is_true_of_it(record: logging.LogRecord) -> bool:
    return record.msg != UNTRUE


@patch("steps_on_board", "TensorBoard shows twice what was logged after the checkpoint from which a run goes on")
def log_each_step_once() -> bool:
    """Let TensorBoard forget what a run has logged after the checkpoint from which it goes on."""
    return replace(basicsr_train, "init_tb_loggers", _from_the_checkpoint)


def _from_the_checkpoint(original: Callable[..., Any]) -> Callable[..., Any]:
    def init_tb_loggers(opt: dict[str, Any]) -> Any:
        board = original(opt)
        state = Path(opt["path"].get("resume_state") or "")
        if board is not None and state.stem.isdigit():
            # what SummaryWriter writes for its purge_step, which BasicSR gives no way to set
            from tensorboard.compat.proto import event_pb2  # type: ignore[import-untyped]

            step, began = int(state.stem) + 1, event_pb2.SessionLog(status=event_pb2.SessionLog.START)
            for content in ({"file_version": "brain.Event:2"}, {"session_log": began}):
                board.file_writer.add_event(event_pb2.Event(step=step, **content))
        return board

    return init_tb_loggers

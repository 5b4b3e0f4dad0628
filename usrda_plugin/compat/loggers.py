"""Seams for BasicSR's log and for the loggers beside it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from usrda_plugin.compat.record import replace_everywhere

_WAYS = (
    "log in once by `wandb login`, set WANDB_API_KEY, or set WANDB_MODE=offline and send the run later by `wandb sync`"
)


def tell_why_wandb_refuses() -> bool:
    """Raise ValueError with the ways out for whatever keeps W&B from beginning."""
    return replace_everywhere(import_module("basicsr.utils.logger"), "init_wandb_logger", _telling)


def _telling(original: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def init_wandb_logger(opt: dict[str, Any]) -> None:
        try:
            original(opt)
        except Exception as error:  # its own classes, of a package that need not be there
            raise ValueError(f"logger: wandb: W&B cannot begin: {error}; {_WAYS}") from error

    return init_wandb_logger


def survive_full_disk() -> bool:
    """Say once that the log's file cannot be written, and go on: its lines are on the terminal as well."""
    return replace_everywhere(import_module("basicsr.utils.logger"), "get_root_logger", _with_quiet_file)


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

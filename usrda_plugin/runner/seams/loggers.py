"""Seam for the loggers beside BasicSR's own."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from usrda_plugin.runner.seams.record import replace_everywhere

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

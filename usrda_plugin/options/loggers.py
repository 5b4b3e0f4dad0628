"""What logs beside BasicSR's own: TensorBoard and Weights & Biases, whose packages must be there."""

from __future__ import annotations

import warnings
from importlib import import_module

from usrda_plugin.options.validation import Review


def check_loggers(review: Review) -> None:
    """Check that the loggers that are asked for can be imported, and that W&B has what it needs."""
    if "debug" in str(review.at("name")):
        return  # BasicSR starts neither
    asks_board = review.at("logger", "use_tb_logger") is True
    fault = lacking("torch.utils.tensorboard") if asks_board else ""
    if fault:
        message = f"TensorBoard cannot be used: {fault}"
        review.fault(("logger", "use_tb_logger"), message, "pip install tensorboard, or write use_tb_logger: false")
    _check_wandb(review, asks_board=asks_board)


def _check_wandb(review: Review, *, asks_board: bool) -> None:
    keys = ("logger", "wandb", "project")
    if review.at(*keys) is None:
        if review.at("logger", "wandb", "resume_id") is not None:
            message = "project is missing, without which nothing is logged to W&B, whatever resume_id says"
            review.fault(keys, message, "add project, or remove the block wandb")
        return
    if not asks_board:
        message = "W&B takes its numbers from TensorBoard's logger, which is off"
        review.fault(("logger", "use_tb_logger"), message, "set use_tb_logger: true")
    fault = lacking("wandb")
    if fault:
        message = f"W&B cannot be used: {fault}"
        review.fault(keys, message, "pip install wandb, or write project: ~ to log without W&B")


def lacking(module: str) -> str:
    """Why a module cannot be used; "" where it can. A mere folder of its name, as W&B leaves its runs in, is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = import_module(module)
    except Exception as error:  # whatever a half-installed package stumbles over
        return str(error) or type(error).__name__
    return "" if getattr(found, "__file__", None) else f"No module named {module!r}, but a folder of this name"

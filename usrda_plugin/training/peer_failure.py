"""A process of a distributed run that is gone or does not answer: the others say so in one line, and end."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import torch.distributed

from usrda_plugin.training.errors import LostProcessError

# the errors of gloo have no class of their own, but all begin with the file that found them
GLOO = ("/gloo/", "[gloo")


@contextmanager
def lost_process_told(phase: str) -> Iterator[None]:
    """Say in the log, and so on the screen, that a process was lost, and how to go on.

    ``phase`` is train or test. Raises LostProcessError in the place of what torch raises. A process that leaves the
    others by a fault of its own says so too: the first one, which speaks for all, will only know that it was lost.
    """
    try:
        yield
    except RuntimeError as error:
        if not is_loss(error):
            raise
        message = describe(error, phase)
        if _local_rank() <= 1:  # the first of its machine, and the second, as the first may be the lost one
            _logger().error(message)
        raise LostProcessError(message) from error
    except (ValueError, OSError, LookupError) as fault:
        if several() and _local_rank() > 0:
            _logger().error(f"{_this_process()}: {fault}")
        raise


def several() -> bool:
    """Whether this process has met others."""
    return torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1


def is_loss(error: RuntimeError) -> bool:
    """Whether this is how a process learns that another does not answer."""
    return several() and (isinstance(error, torch.distributed.DistError) or any(sign in str(error) for sign in GLOO))


def describe(error: RuntimeError, phase: str) -> str:
    """What has happened, and what to do."""
    again = "Start again with --auto_resume to go on from the last checkpoint" if phase == "train" else "Start again"
    reason = str(error).strip().splitlines()[0].split("] ", 1)[-1].split(". ")[0]
    return (
        f"{_this_process()} has lost another one, which has ended or hangs ({reason}). "
        f"Its own message, or torchrun's report of signals, says why. {again}."
    )


def _this_process() -> str:
    return f"Process {torch.distributed.get_rank()} of {torch.distributed.get_world_size()} (counted from 0)"


def _local_rank() -> int:
    return int(os.environ.get("LOCAL_RANK", "0"))


def _logger() -> logging.Logger:
    logger: logging.Logger = import_module("basicsr.utils").get_root_logger()
    return logger

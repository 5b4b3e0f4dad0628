"""How a run fails: what a person can mend is reported in one message, without a traceback, with the way on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import torch.distributed
from basicsr.utils import get_root_logger

from usrda_plugin.compat.options import UnknownNameError
from usrda_plugin.data.workers import what_workers_lack
from usrda_plugin.errors import PeerFailureError, SetupError, TrainingError, is_first_process
from usrda_plugin.models.divergence import TrainingDiverged
from usrda_plugin.weights.writing import FULL, SaveError

Phase = Literal["train", "test"]

# what a person at the keyboard can mend: these need no traceback as long as nothing has been trained
_MENDABLE = (ValueError, OSError, UnknownNameError)
# the errors of gloo have no class of their own, but all begin with the file that found them
_GLOO = ("/gloo/", "[gloo")


@contextmanager
def setup_errors(
    is_setting_up: Callable[[], bool] = lambda: True, roll_back: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """While a run is set up, raise SetupError for what a person can mend; whatever ends it, leave nothing half-made."""
    try:
        yield
    except BaseException as fault:
        if is_setting_up():
            if is_first_process():
                roll_back()
            if isinstance(fault, _MENDABLE):
                raise SetupError(str(fault)) from fault
        raise


@contextmanager
def training_errors(is_setting_up: Callable[[], bool], how_to_go_on: Callable[[str], str]) -> Iterator[None]:
    """Raise TrainingError for what a training cannot go on from.

    ``how_to_go_on`` says, given the remedy, how the run can go on.
    """
    try:
        yield
    except TrainingDiverged as error:
        raise TrainingError(str(error)) from error
    except (OSError, RuntimeError) as error:
        lack = what_workers_lack(error)
        if lack is not None:
            raise TrainingError(f"{lack.found}; {how_to_go_on(lack.remedy)}") from error
        if is_setting_up() or not (isinstance(error, SaveError) or is_of_full_disk(error)):
            raise
        raise TrainingError(f"{error}; {how_to_go_on('mend the disk')}") from error


def is_of_full_disk(error: object) -> bool:
    """Whether this is a disk that takes no more."""
    return getattr(error, "errno", None) in FULL


@contextmanager
def peer_failures(phase: Phase) -> Iterator[None]:
    """Report in the log, and so on the screen, that another process has ended or hangs, and how to go on.

    Raises PeerFailureError in the place of what torch raises. A process that leaves the others by a fault of its own
    says so too: the first one, which speaks for all, will only know that it was lost.
    """
    try:
        yield
    except RuntimeError as error:
        if not _is_peer_failure(error):
            raise
        message = _describe(error, phase)
        if _local_rank() <= 1:  # the first of its machine, and the second, as the first may be the lost one
            get_root_logger().error(message)
        raise PeerFailureError(message) from error
    except (ValueError, OSError, LookupError) as fault:
        if _has_peers() and _local_rank() > 0:
            get_root_logger().error(f"{_this_process()}: {fault}")
        raise


def _has_peers() -> bool:
    return torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1


def _is_peer_failure(error: RuntimeError) -> bool:
    """Whether this is how a process learns that another does not answer."""
    return _has_peers() and (
        isinstance(error, torch.distributed.DistError) or any(sign in str(error) for sign in _GLOO)
    )


def _describe(error: RuntimeError, phase: Phase) -> str:
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

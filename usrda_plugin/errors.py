"""How a run fails, and which of its processes say so. Imports nothing heavy."""

from __future__ import annotations

import os


class SetupError(ValueError):
    """A run did not begin: the message says what was expected, what was found and what to do."""


class TrainingError(RuntimeError):
    """A training cannot go on: the message says why, what is saved and what to do."""


class PeerFailureError(ConnectionError):
    """Another process has ended or hangs; that has been reported already."""


def is_first_process() -> bool:
    """Whether this process writes for all of a distributed run, by the number that torchrun gave it."""
    return int(os.environ.get("RANK", "0")) == 0


def is_first_of_machine() -> bool:
    """Whether this process speaks for those of its machine, which may lack what others have."""
    return int(os.environ.get("LOCAL_RANK") or os.environ.get("RANK", "0")) == 0

"""Torch's threads beside other work: on busy cores they wait for each other, and a step takes many times as long."""

from __future__ import annotations

import os

import torch

ENVIRONMENT = "OMP_NUM_THREADS"


def crowded_threads() -> str | None:
    """Say that torch has more threads than cores are free, and the switch; None where not, or the user has chosen.

    The number stays as it is: another one adds up in another order, so that a run that goes on would not be the same.
    """
    threads, load = torch.get_num_threads(), _load()
    if ENVIRONMENT in os.environ or load is None or threads <= max(1, round(_cores() - load)):
        return None
    return (
        f"{threads} threads compute on {_cores()} cores that have other work (load {load:.1f}): threads that wait"
        f" for each other may take many times as long; {ENVIRONMENT}=1 before the command takes one"
        " (keep the number when a run goes on: another adds up in another order)"
    )


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not every system has it
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _load() -> float | None:
    """How many processes have wanted a core in the last minute, on average; None where that is not known."""
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return None

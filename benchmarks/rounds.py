"""Candidates timed against each other in one process, turn by turn: ratios outlive a busy machine, seconds do not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import NamedTuple

import torch


class Spread(NamedTuple):
    """A figure over the rounds, such as how many times slower one candidate is: the median, and the extremes."""

    median: float
    low: float
    high: float

    def __format__(self, form: str) -> str:
        return f"{self.median:{form}} ({self.low:{form}} to {self.high:{form}})"


def alternate(
    candidates: Mapping[str, Callable[[], object]], rounds: int, device: torch.device, warm_up: int = 2
) -> dict[str, list[float]]:
    """Seconds of each candidate in each round; the order turns from round to round, the first runs do not count."""
    for _ in range(warm_up):
        for run in candidates.values():
            run()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    names = list(candidates)
    for number in range(rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            seconds[name].append(clock(candidates[name], device))
    return seconds


def clock(run: Callable[[], object], device: torch.device) -> float:
    """Seconds of one run, to the end of what it gave the device to do."""
    wait_for(device)
    start = time.perf_counter()
    run()
    wait_for(device)
    return time.perf_counter() - start


def wait_for(device: torch.device) -> None:
    """Wait until the device has nothing left to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def ratio(slower: list[float], faster: list[float]) -> Spread:
    """One candidate's seconds over another's, round by round."""
    ratios = [a / b for a, b in zip(slower, faster, strict=True)]
    return Spread(median(ratios), min(ratios), max(ratios))

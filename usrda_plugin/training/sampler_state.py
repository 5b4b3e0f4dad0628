"""Where a training stands in its data: the epoch, and how many samples of it have been used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Position:
    """Epoch and batches used of it, by this process; ``first`` samples of the epoch were used before it began."""

    def __init__(self, epoch: int = 0, first: int = 0) -> None:
        self.epoch, self.first, self.batches = epoch, first, 0

    def advance(self, epoch: int) -> None:
        """Count a batch of an epoch."""
        if epoch != self.epoch:
            self.epoch, self.first, self.batches = epoch, 0, 0
        self.batches += 1

    def describe(self) -> str:
        """Where it is, for people."""
        return f"epoch {self.epoch} from its sample {self.first} on"

    def state(self, sampler: Any, opt: Mapping[str, Any], batch: int) -> dict[str, int]:
        """What a checkpoint keeps: samples are those of all processes together.

        ``batch`` is the loader's, which by DataParallel is that of all GPUs of this process.
        """
        processes = opt["world_size"]
        return {
            "epoch": self.epoch,
            "samples": self.first + self.batches * batch * processes,
            "world_size": processes,
            "epoch_size": sampler.total_size,
        }


def position_from(saved: Mapping[str, int]) -> Position:
    """The position that a checkpoint has kept."""
    return Position(saved["epoch"], saved["samples"])


def start_there(sampler: Any, opt: Mapping[str, Any], saved: Mapping[str, int]) -> list[str]:
    """Let a sampler go on at a saved position; returns a line where its epochs are not what they were."""
    sampler.go_on(saved["epoch"], saved["samples"] // opt["world_size"])
    was, now = saved["epoch_size"], sampler.total_size
    return [] if was == now else [
        f"Going on with other images: an epoch had {was} samples, now {now}; the run is not as if never stopped."
    ]  # fmt: skip


def check_processes(opt: Mapping[str, Any], saved: Mapping[str, int], state: str) -> None:
    """Raise ValueError where another number of processes would go on: each has random generators of its own."""
    if saved["world_size"] != opt["world_size"]:
        raise ValueError(
            f"{state} was saved by {saved['world_size']} processes, found {opt['world_size']}: start as many as before,"
            " or begin a new run from its networks (path: pretrain_network_g, ...)"
        )

"""Where a training stands in its random samples: the epoch, the samples used of it, and every random generator."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

RandomState = dict[str, Any]


class SamplerState:
    """Epoch and batches used of it, by this process; ``first`` samples of the epoch were used before it began."""

    def __init__(self, epoch: int = 0, first: int = 0) -> None:
        self.epoch, self.first, self.batches = epoch, first, 0

    @classmethod
    def restored(cls, saved: Mapping[str, int]) -> SamplerState:
        """The state that a checkpoint has kept."""
        return cls(saved["epoch"], saved["samples"])

    def advance(self, epoch: int) -> None:
        """Count a batch of an epoch."""
        if epoch != self.epoch:
            self.epoch, self.first, self.batches = epoch, 0, 0
        self.batches += 1

    def __str__(self) -> str:
        return f"epoch {self.epoch} from its sample {self.first} on"

    def to_save(self, sampler: Any, opt: Mapping[str, Any], batch: int) -> dict[str, int]:
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


def restore_sampler(sampler: Any, opt: Mapping[str, Any], saved: Mapping[str, int]) -> str | None:
    """Let a sampler go on where a checkpoint was; gives a warning if its epochs are not what they were."""
    sampler.go_on(saved["epoch"], saved["samples"] // opt["world_size"])
    was, now = saved["epoch_size"], sampler.total_size
    if was == now:
        return None
    return f"Going on with other images: an epoch had {was} samples, now {now}; the run is not as if never stopped."


def check_processes(opt: Mapping[str, Any], saved: Mapping[str, int], state: str) -> None:
    """Raise ValueError where another number of processes would go on: each has random generators of its own."""
    if saved["world_size"] != opt["world_size"]:
        raise ValueError(
            f"{state} was saved by {saved['world_size']} processes, found {opt['world_size']}: start as many as before,"
            " or begin a new run from its networks (path: pretrain_network_g, ...)"
        )


def random_state() -> RandomState:
    """The states of Python's, numpy's and torch's generators in this process, as tensors, numbers, text and lists."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    found: RandomState = {
        "python": list(random.getstate()[1]),
        "python_gauss": random.getstate()[2],
        "numpy": [kind, torch.from_numpy(np.asarray(keys, np.int64)), int(position), int(has_gauss), float(gauss)],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        found["cuda"] = torch.cuda.get_rng_state()
    return found


def restore_random(saved: RandomState) -> None:
    """Go on with the generators as they were; a GPU's only where both have one."""
    random.setstate((3, tuple(saved["python"]), saved["python_gauss"]))
    kind, keys, position, has_gauss, gauss = saved["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(saved["torch"])
    if "cuda" in saved and torch.cuda.is_available():
        torch.cuda.set_rng_state(saved["cuda"])

"""Whether BasicSR's loop has enough iterations: it counts epochs by rounding up and drops each epoch's last batch."""

from __future__ import annotations

import math
import os
from typing import NamedTuple

from usrda_plugin.options.validation import Review


class Loop(NamedTuple):
    """What BasicSR's training loop goes by: ``batch`` is the loader's, ``counted`` the one that counts epochs."""

    images: int
    processes: int
    batch: int
    counted: int
    total_iter: int

    def available(self, ratio: float) -> int:
        """Iterations that the loop has before its epochs are over, with this ``dataset_enlarge_ratio``."""
        per_process = math.ceil(self.images * ratio / self.processes)
        epochs = math.ceil(self.total_iter / math.ceil(self.images * ratio / self.counted))
        return (epochs + 1) * (per_process // self.batch)

    def sufficient_ratio(self) -> int:
        """A whole ``dataset_enlarge_ratio`` that suffices, as small as bisection finds."""
        high = 1
        while self.available(high) < self.total_iter:
            high *= 2
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.available(middle) >= self.total_iter else (middle, high)
        return high


def check_epochs(review: Review, counts: dict[str, int]) -> None:
    """Check that training does not end before ``total_iter``; ``counts`` are the data sets' samples by phase.

    The number of processes is torchrun's WORLD_SIZE; without it there is one, with a batch for each GPU.
    """
    train, total = review.block("datasets", "train"), review.at("train", "total_iter")
    batch, images = train.get("batch_size_per_gpu"), counts.get("train")
    if not (images and isinstance(batch, int) and isinstance(total, int)):
        return
    processes = _processes()
    gpus = review.opt.get("num_gpu")
    spread = max(gpus, 1) if processes is None and isinstance(gpus, int) else 1
    loop = Loop(images, processes or 1, batch * spread, batch * (processes or 1), total)
    ratio = train.get("dataset_enlarge_ratio") or 1
    available = loop.available(ratio)
    if available < total:
        what = f"{images} images times {ratio:g} in batches of {loop.batch}"
        end = (
            "are fewer than one batch, so nothing would be trained"
            if available == 0
            else f"end training after {available} iterations"
        )
        message = f"{what} {end}; total_iter is {total}"
        remedy = f"set dataset_enlarge_ratio: {loop.sufficient_ratio()} (or more)"
        review.fault(("datasets", "train", "dataset_enlarge_ratio"), message, remedy)


def _processes() -> int | None:
    text = os.environ.get("WORLD_SIZE", "")
    return int(text) if text.isdigit() and int(text) > 0 else None

"""The sample stream: which sample comes when, and where its random numbers come from.

BasicSR draws from the global generators of whichever worker happens to make a sample, and seeds the workers alike in
each epoch: the samples depend on the number of workers, and the same crops come back for ever. Here the sampler hands
out numbers that never repeat, and every draw of a sample is a function of (seed, sample number) alone. So the stream is
the same with any number of workers, and no two ranks or epochs share a sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Sized
from math import ceil

import numpy as np
from torch.utils.data import Sampler


def sample_rng(seed: int, sample_number: int) -> np.random.Generator:
    """Return the random generator of one sample: independent streams for different (seed, sample number).

    Raises ValueError where either is negative.
    """
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, sample_number))))


class StreamSampler(Sampler[int]):
    """Hand out sample numbers ``epoch * total_size + k * num_replicas + rank``; called as BasicSR's EnlargedSampler."""

    def __init__(self, dataset: Sized, num_replicas: int, rank: int, ratio: float = 1) -> None:
        if not 0 <= rank < num_replicas:
            raise ValueError(f"StreamSampler: rank must be in [0, {num_replicas}), found {rank}")
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.num_samples = ceil(len(dataset) * ratio / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.used: tuple[int, int] = (0, 0)

    def __iter__(self) -> Iterator[int]:
        first = self.epoch * self.total_size
        numbers = range(first + self.rank, first + self.total_size, self.num_replicas)
        epoch, used = self.used
        return iter(numbers[used:] if self.epoch == epoch else numbers)

    def __len__(self) -> int:
        return self.num_samples

    def go_on(self, epoch: int, used: int) -> None:
        """Leave out the first ``used`` numbers of this process in an epoch: an interrupted run has had them."""
        self.used = (epoch, used)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose numbers the next iteration hands out."""
        self.epoch = epoch

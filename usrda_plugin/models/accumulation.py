"""The passes of one step, one for each micro-batch: gradients of a large batch in the memory of a small one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from usrda_plugin.method import ABSENT, Batch, Pass


class Passes:
    """What both steps of an iteration look at: (batch, its pass), one or, where gradients are accumulated, several.

    A single pass is computed once and shared by both steps. Of several, each step computes its own, the critics'
    without gradient: the generator must meet the critics after their step, and keeping the passes till then would need
    the memory that accumulation is to save.
    Raises ValueError where the batch cannot be cut into ``count`` equal parts.
    """

    def __init__(self, one_pass: Callable[[Batch], Pass], batch: Batch, count: int = 1) -> None:
        self.one_pass = one_pass
        self.micro_batches = [batch] if count == 1 else split(batch, count)
        self.shared = one_pass(batch) if count == 1 else ABSENT

    def __len__(self) -> int:
        return len(self.micro_batches)

    def for_critics(self, critics: Iterable[nn.Module]) -> Iterator[tuple[Batch, Pass]]:
        """Passes that no gradient need go through, for the critics' step."""
        for batch in self.micro_batches:
            with torch.no_grad():
                tensors = self.shared or self.one_pass(batch)
            with exchange_later(critics, batch is self.micro_batches[-1]):
                yield batch, tensors

    def for_generator(self, generator: nn.Module) -> Iterator[tuple[Batch, Pass]]:
        """Passes for the generator's step."""
        for batch in self.micro_batches:
            with exchange_later([generator], batch is self.micro_batches[-1]):
                yield batch, self.shared or self.one_pass(batch)


def split(batch: Batch, count: int) -> list[Batch]:
    """Cut a batch into equal parts. Raises ValueError where that cannot be."""
    size, rest = divmod(len(batch.x_s), count)
    if rest or not size:
        raise ValueError(
            f"train: gradient_accumulation_steps: expected a divisor of the batch size {len(batch.x_s)}, found {count}"
        )
    parts = [images if images is None else images.split(size) for images in batch]
    return [Batch(*(ABSENT if part is None else part[number] for part in parts)) for number in range(count)]


def exchange_later(networks: Iterable[nn.Module], last: bool) -> ExitStack:
    """Until the last micro-batch, DistributedDataParallel adds gradients up where they are and exchanges none."""
    stack = ExitStack()
    for network in networks:
        if isinstance(network, DistributedDataParallel) and not last:
            stack.enter_context(network.no_sync())
    return stack

"""A validation set shared out over the processes of a run, and what they find put together again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain, zip_longest
from typing import Any, TypeVar

import torch.distributed
from torch.utils.data import DataLoader, Subset

from usrda_plugin.weights.writing import SaveError

T = TypeVar("T")


class Share:
    """Every ``processes``-th image of a data set, from the number of this process on.

    Args:
        opt: the options of the run, as BasicSR completes them.
    """

    def __init__(self, opt: Mapping[str, Any]) -> None:
        self.rank: int = opt["rank"] if opt["dist"] else 0
        self.processes: int = opt["world_size"] if opt["dist"] else 1

    def of(self, loader: DataLoader) -> DataLoader:
        """A loader of this process's images alone, which may be none."""
        if self.processes == 1:
            return loader
        mine = range(self.rank, len(loader.dataset), self.processes)  # type: ignore[arg-type]
        settings = {name: getattr(loader, name) for name in ("batch_size", "collate_fn", "num_workers", "pin_memory")}
        return DataLoader(Subset(loader.dataset, mine), **settings)

    def part(self, items: Sequence[T]) -> list[T]:
        """Those of a list, one for each image of the data set, that belong to this process's images."""
        return list(items[self.rank :: self.processes])

    def found_by_all(self, work: Callable[[], T]) -> list[T]:
        """What ``work`` returns in each process, by their numbers.

        Raises what it raises here, and where it raised elsewhere SaveError, if it was that, or RuntimeError: no process
        waits for one that failed, and all leave at the same place, so that what they exchange next fits together.
        """
        if self.processes == 1:
            return [work()]
        mine: tuple[T | None, str, bool] = (None, "", False)
        fault: Exception | None = None
        try:
            mine = (work(), "", False)
        except Exception as error:
            mine, fault = (None, f"{type(error).__name__}: {error}", isinstance(error, SaveError)), error
        answers: list[Any] = [None] * self.processes
        torch.distributed.all_gather_object(answers, mine)
        if fault is not None:
            raise fault
        told = [f"process {rank}: {message}" for rank, (_, message, _) in enumerate(answers) if message]
        if told:
            kind = SaveError if any(unsaved for _, _, unsaved in answers) else RuntimeError
            raise kind(f"the validation failed in {'; '.join(told)}")
        return [found for found, _, _ in answers]


def in_order(shares: Sequence[Sequence[T]]) -> list[T]:
    """The items of all shares in the order of the data set."""
    missing = object()
    turns = zip_longest(*shares, fillvalue=missing)
    return [item for item in chain.from_iterable(turns) if item is not missing]  # type: ignore[misc]

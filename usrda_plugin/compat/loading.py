"""Patches for what brings samples to a training: samplers, worker processes, prefetchers."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import islice
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

import numpy as np
import torch
from basicsr import data as basicsr_data
from basicsr import train as basicsr_train
from basicsr.data.prefetch_dataloader import CPUPrefetcher, PrefetchGenerator

from usrda_plugin.data import StreamSampler
from usrda_plugin.patch import mentions, patch, replace, replace_everywhere


@patch("sample_stream", "a sampler knows no sample number, only an index within an epoch")
def sample_by_number() -> bool:
    """Give a dataset whose samples are drawn by their number the endless stream of numbers it needs."""
    return replace(basicsr_train, "EnlargedSampler", _stream_or_enlarged)


def _stream_or_enlarged(original: Any) -> Callable[..., Any]:
    class ResumableSampler(original):
        """BasicSR's sampler, which can leave out what an interrupted run has had of an epoch."""

        used = (0, 0)

        def go_on(self, epoch: int, used: int) -> None:
            self.used = (epoch, used)

        def __iter__(self) -> Iterator[int]:
            epoch, used = self.used
            return islice(super().__iter__(), used if self.epoch == epoch else 0, None)

    def sampler(dataset: Any, num_replicas: int, rank: int, ratio: int = 1) -> Any:
        by_number = getattr(dataset, "draws_by_sample_number", False)
        return (StreamSampler if by_number else ResumableSampler)(dataset, num_replicas, rank, ratio)

    return sampler


@patch(
    "worker_seeds",
    "workers repeat the same random draws in each epoch; a signal to all processes of a run ends them before their"
    " parent can save",
)
def reseed_workers_each_epoch() -> bool:
    """Seed a worker's numpy and Python generators from torch's seed for this worker in this epoch.

    And let it go on where all processes of a run are told to stop: its parent, which may save first, will end it.
    """
    if mentions(basicsr_data.worker_init_fn, "initial_seed"):
        return False
    return replace(basicsr_data, "worker_init_fn", lambda original: _seed_worker)


def _seed_worker(worker_id: int, num_workers: int, rank: int, seed: int) -> None:
    # torch draws it anew for each epoch, from the generator that manual_seed and rank have set
    drawn = torch.initial_seed() % 2**32
    np.random.seed(drawn)
    random.seed(drawn)
    for name in ("SIGINT", "SIGHUP", "SIGUSR1"):  # not every system has them
        if name in signal.Signals.__members__:
            signal.signal(signal.Signals[name], signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        threading.Thread(target=_end_by_parent_alone, daemon=True).start()


def _end_by_parent_alone() -> None:
    while signal.sigwaitinfo([signal.SIGTERM]).si_pid != os.getppid():
        pass
    os._exit(0)


class _Failed(NamedTuple):
    """Goes through the prefetcher's queue in the place of a batch."""

    error: Exception


@patch("prefetch_errors", "prefetch_mode: cpu: a dataset that raises makes the run wait for ever")
def raise_prefetch_errors() -> bool:
    """Raise what a dataset raises in the thread that prefetches its batches."""
    replace(PrefetchGenerator, "run", _handing_over)
    return replace(PrefetchGenerator, "__next__", _raising)


def _handing_over(original: Callable[..., None]) -> Callable[..., None]:
    def run(self: Any) -> None:
        try:
            original(self)
        except Exception as error:  # whatever it is, somebody waits for it
            self.queue.put(_Failed(error))
            self.queue.put(None)

    return run


def _raising(original: Callable[..., Any]) -> Callable[..., Any]:
    def __next__(self: Any) -> Any:
        batch = original(self)
        if isinstance(batch, _Failed):
            raise batch.error
        return batch

    return __next__


@patch(
    "prefetch_start",
    "loader processes are started twice at the beginning; with prefetch_mode: cpu the first ones never end",
)
def start_loading_once() -> bool:
    """Let the prefetcher begin with its loader when the first batch is asked for, which is after its first reset."""
    return replace(CPUPrefetcher, "__init__", lambda original: _begin_later)


def _begin_later(self: Any, loader: Any) -> None:
    self.ori_loader = loader
    self.loader = _batches(loader)


def _batches(loader: Any) -> Iterator[Any]:
    """Begins with the loader when the first batch is asked for."""
    yield from loader


@patch("spawned_workers", "a spawned worker imports BasicSR without these patches")
def patch_spawned_workers() -> bool:
    """Let a worker process that starts afresh apply these patches before it meets a class of BasicSR."""
    return replace_everywhere(basicsr_data, "build_dataloader", _sending_patches_ahead)


def _sending_patches_ahead(original: Callable[..., Any]) -> Callable[..., Any]:
    def build_dataloader(dataset: Any, *args: Any, **kwargs: Any) -> Any:
        # used when processes are spawned; a forked worker has everything already
        ForkingPickler.register(type(dataset), _reduce)
        return original(dataset, *args, **kwargs)

    return build_dataloader


def _reduce(dataset: Any) -> tuple[Any, ...]:
    content = BytesIO()
    pickler: Any = ForkingPickler(content)
    # the dataset as it pickles itself, by its own __getstate__ or __reduce__
    pickler.dispatch_table = {cls: how for cls, how in pickler.dispatch_table.items() if how is not _reduce}
    pickler.dump(dataset)
    return _rebuild, (content.getvalue(),)


def _rebuild(content: bytes) -> Any:
    """Apply the patches, then look up the dataset's class and build it. ``content`` comes from the parent process."""
    from usrda_plugin.compat import apply_patches

    apply_patches()
    return ForkingPickler.loads(content)

"""Seams for BasicSR's datasets, samplers and loaders."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from copy import deepcopy
from importlib import import_module
from io import BytesIO
from itertools import islice
from multiprocessing.reduction import ForkingPickler
from typing import Any, NamedTuple

import numpy as np
import torch

from usrda_plugin.compat.record import mentions, replace, replace_everywhere


def scan_folders_in_order() -> bool:
    """List a folder's files in alphabetical order."""
    misc = import_module("basicsr.utils.misc")
    if mentions(misc.scandir, "sorted"):
        return False
    return replace_everywhere(misc, "scandir", _sorted_scandir)


def _sorted_scandir(original: Callable[..., Iterator[str]]) -> Callable[..., Iterator[str]]:
    def scandir(*args: Any, **kwargs: Any) -> Iterator[str]:
        return iter(sorted(original(*args, **kwargs)))

    return scandir


def sample_by_number() -> bool:
    """Give a dataset whose samples are drawn by their number the endless stream of numbers it needs."""
    return replace(import_module("basicsr.train"), "EnlargedSampler", _stream_or_enlarged)


def _stream_or_enlarged(original: Any) -> Callable[..., Any]:
    class GoingOn(original):
        """BasicSR's sampler, which can leave out what an interrupted run has had of an epoch."""

        used = (0, 0)

        def go_on(self, epoch: int, used: int) -> None:
            self.used = (epoch, used)

        def __iter__(self) -> Iterator[int]:
            epoch, used = self.used
            return islice(super().__iter__(), used if self.epoch == epoch else 0, None)

    def sampler(dataset: Any, num_replicas: int, rank: int, ratio: int = 1) -> Any:
        if getattr(dataset, "draws_by_sample_number", False):
            stream = import_module("usrda_plugin.data").StreamSampler
            return stream(dataset, num_replicas, rank, ratio)
        return GoingOn(dataset, num_replicas, rank, ratio)

    return sampler


def reseed_workers_each_epoch() -> bool:
    """Seed a worker's numpy and Python generators from torch's seed for this worker in this epoch.

    And let it go on where all processes of a run are told to stop: its parent, which may save first, will end it.
    """
    data = import_module("basicsr.data")
    if mentions(data.worker_init_fn, "initial_seed"):
        return False
    return replace(data, "worker_init_fn", lambda original: _seed_worker)


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


def keep_dataset_options() -> bool:
    """Let each of BasicSR's datasets take its options apart on a copy of its own."""
    registry = import_module("basicsr.utils.registry").DATASET_REGISTRY
    for _, dataset in list(registry):
        if dataset.__module__.split(".")[0] == "basicsr" and "__init__" in vars(dataset):
            replace(dataset, "__init__", _with_own_options)
    return True


def _with_own_options(original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, opt: dict[str, Any]) -> None:
        original(self, deepcopy(opt))

    return __init__


class _Failed(NamedTuple):
    """Goes through the prefetcher's queue in the place of a batch."""

    error: Exception


def raise_prefetch_errors() -> bool:
    """Raise what a dataset raises in the thread that prefetches its batches."""
    generator = import_module("basicsr.data.prefetch_dataloader").PrefetchGenerator
    replace(generator, "run", _handing_over)
    return replace(generator, "__next__", _raising)


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


def start_loading_once() -> bool:
    """Let the prefetcher begin with its loader when the first batch is asked for, which is after its first reset."""
    return replace(import_module("basicsr.data.prefetch_dataloader").CPUPrefetcher, "__init__", _beginning_later)


def _beginning_later(original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, loader: Any) -> None:
        self.ori_loader = loader
        self.loader = _batches(loader)

    return __init__


def _batches(loader: Any) -> Iterator[Any]:
    """Begins with the loader when the first batch is asked for."""
    yield from loader


def mend_spawned_workers() -> bool:
    """Let a worker process that starts afresh import these seams before it meets a class of BasicSR."""
    return replace_everywhere(import_module("basicsr.data"), "build_dataloader", _sending_seams_ahead)


def _sending_seams_ahead(original: Callable[..., Any]) -> Callable[..., Any]:
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
    """The dataset, whose class is looked up when the seams are in place. ``content`` comes from the parent process."""
    import_module("usrda_plugin.compat").apply_seams()
    return ForkingPickler.loads(content)

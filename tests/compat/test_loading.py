"""Patches of samplers, loader processes and prefetchers."""

from __future__ import annotations

import pickle
import pickletools
import queue
import random
import sys
import threading
from collections.abc import Iterator
from multiprocessing.reduction import ForkingPickler
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from basicsr.data import build_dataloader, build_dataset, worker_init_fn
from basicsr.data.paired_image_dataset import PairedImageDataset
from basicsr.data.prefetch_dataloader import CPUPrefetcher, PrefetchGenerator
from basicsr.train import EnlargedSampler

from usrda_plugin.compat import loading


def test_a_dataset_drawn_by_number_gets_the_stream_and_others_basicsrs_sampler() -> None:
    class ByNumber(list[int]):
        draws_by_sample_number = True

    stream = EnlargedSampler(ByNumber(range(4)), 2, 1, 3)
    stream.set_epoch(5)
    assert list(stream) == [60 + 2 * k + 1 for k in range(6)]
    assert max(EnlargedSampler.__wrapped__(ByNumber(range(4)), 2, 1, 3)) < 4
    others = EnlargedSampler(list(range(4)), 2, 1, 3)
    assert isinstance(others, EnlargedSampler.__wrapped__)
    whole = [EnlargedSampler.__wrapped__(list(range(4)), 2, 1, 3) for _ in range(2)]
    for epoch, theirs in enumerate(whole):
        theirs.set_epoch(epoch)
    assert list(others) == list(whole[0])
    others.go_on(1, 2)
    others.set_epoch(1)
    assert list(others) == list(whole[1])[2:]


def test_workers_draw_anew_in_each_epoch() -> None:
    def drawn(seeding: Any, epoch: int) -> tuple[float, float]:
        torch.manual_seed(1000 + epoch)  # as a DataLoader seeds its worker, differently in each epoch
        seeding(worker_id=0, num_workers=1, rank=0, seed=7)
        return random.random(), float(np.random.rand())

    assert drawn(worker_init_fn.__wrapped__, 0) == drawn(worker_init_fn.__wrapped__, 1)
    assert drawn(worker_init_fn, 0) != drawn(worker_init_fn, 1)
    assert drawn(worker_init_fn, 1) == drawn(worker_init_fn, 1)


@pytest.mark.timeout(20)  # unmended, it waits for ever
def test_an_error_in_the_prefetching_thread_is_raised_where_the_batch_is_asked_for() -> None:
    def batches() -> Iterator[str]:
        yield "first"
        raise ValueError("image 2 is damaged")

    fetched = CPUPrefetcher(PrefetchGenerator(batches(), 1))
    assert fetched.next() == "first"
    with pytest.raises(ValueError, match="image 2 is damaged"):
        fetched.next()
    assert fetched.next() is None


def test_basicsrs_own_prefetching_thread_dies_in_silence() -> None:
    def batches() -> Iterator[str]:
        raise ValueError("image 1 is damaged")
        yield

    thread = SimpleNamespace(generator=batches(), queue=queue.Queue(1))
    with pytest.raises(ValueError, match="damaged"):
        PrefetchGenerator.run.__wrapped__(thread)
    assert thread.queue.empty(), "so whoever waits for the batch waits for ever"


def test_a_run_starts_its_loader_once() -> None:
    class Loader:
        started = 0

        def __iter__(self) -> Iterator[int]:
            self.started += 1
            return iter(range(self.started, 3))

    def train(begin: Any) -> int:
        loader, fetched = Loader(), object.__new__(CPUPrefetcher)
        begin(fetched, loader)
        fetched.reset()  # as BasicSR's loop does before the first batch of each epoch
        assert fetched.next() == loader.started
        return loader.started

    assert train(CPUPrefetcher.__init__) == 1
    assert train(CPUPrefetcher.__init__.__wrapped__) == 2
    asked_at_once = CPUPrefetcher(Loader())
    assert [asked_at_once.next() for _ in range(3)] == [1, 2, None]


def test_what_is_sent_to_a_spawned_worker_names_the_patches_first(paired_options: dict[str, Any]) -> None:
    dataset = PairedImageDataset(paired_options)
    assert first_import(pickle.dumps(dataset)).startswith("basicsr.")
    build_dataloader(dataset, paired_options)
    sent = bytes(ForkingPickler.dumps(dataset))
    assert first_import(sent).startswith("usrda_plugin.compat")
    arrived = pickle.loads(sent)
    assert type(arrived) is type(dataset)
    assert vars(arrived) == vars(dataset)


class Stateful:
    """A data set of a plug-in that cannot be pickled as it is, and says itself what is to be sent."""

    def __init__(self) -> None:
        self.root, self.file = "hr", threading.Lock()

    def __getstate__(self) -> dict[str, str]:
        return {"root": self.root}

    def __setstate__(self, state: dict[str, str]) -> None:
        self.root, self.file = state["root"], threading.Lock()


class Reduced(Stateful):
    def __reduce__(self) -> tuple[type, tuple[()]]:
        return Reduced, ()


class Slotted:
    __slots__ = ("root",)

    def __init__(self) -> None:
        self.root = "hr"


@pytest.mark.parametrize("kind", [Stateful, Reduced, Slotted])
def test_a_dataset_is_sent_to_a_spawned_worker_as_it_pickles_itself(
    kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("a_plug_in")  # tests themselves cannot be imported by name
    setattr(module, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(kind, "__module__", module.__name__)
    ForkingPickler.register(kind, loading._reduce)
    arrived: Any = pickle.loads(bytes(ForkingPickler.dumps(kind())))
    assert type(arrived) is kind
    assert arrived.root == "hr"


def first_import(pickled: bytes) -> str:
    """The first module that unpickling imports."""
    texts = [str(argument) for operation, argument, _ in pickletools.genops(pickled) if isinstance(argument, str)]
    return texts[0]


@pytest.mark.slow
def test_a_spawned_worker_reads_basicsrs_dataset(paired_options: dict[str, Any]) -> None:
    loader = build_dataloader(build_dataset(paired_options), paired_options, seed=0)
    loader.multiprocessing_context = "spawn"
    assert [tuple(batch["gt"].shape) for batch in loader] == [(1, 3, 16, 16)] * 3

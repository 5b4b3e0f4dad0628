"""Seams of datasets, samplers, loaders and readers."""

from __future__ import annotations

import math
import os
import pickle
import pickletools
import queue
import random
import sys
import threading
import warnings
from collections.abc import Iterator
from importlib import import_module
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import lmdb
import numpy as np
import pytest
import torch

from usrda_plugin.compat import apply_seams
from usrda_plugin.compat import data as seams_data

apply_seams()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photographs of noise, 48 x 48 pixels, made in an order that is not alphabetical."""
    images = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    for name, image in zip(("b", "c", "a"), images, strict=True):
        assert cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    return tmp_path


@pytest.fixture
def lmdb_path(tmp_path: Path) -> Path:
    path = tmp_path / "images.lmdb"
    with lmdb.open(str(path)) as environment, environment.begin(write=True) as transaction:
        transaction.put(b"a", b"content")
    (path / "meta_info.txt").write_text("a.png (1,1,3) 1\n")
    return path


def paired_options(folder: Path) -> dict[str, Any]:
    return {
        "name": "pairs",
        "type": "PairedImageDataset",
        "phase": "train",
        "scale": 1,
        "dataroot_gt": str(folder),
        "dataroot_lq": str(folder),
        "io_backend": {"type": "disk"},
        "gt_size": 16,
        "use_hflip": False,
        "use_rot": False,
        "num_worker_per_gpu": 1,
        "batch_size_per_gpu": 1,
    }


def test_folders_are_listed_in_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = import_module("basicsr.utils.misc").scandir
    # a directory hands its entries out in any order it likes
    entries = sorted(os.scandir(folder), key=lambda entry: entry.name, reverse=True)
    monkeypatch.setattr(os, "scandir", lambda path: iter(entries))
    assert list(scandir.__wrapped__(str(folder))) == ["c.png", "b.png", "a.png"]
    assert list(scandir(str(folder))) == ["a.png", "b.png", "c.png"]
    pairs = import_module("basicsr.data.data_util").paired_paths_from_folder([str(folder)] * 2, ["lq", "gt"], "{}")
    assert [Path(pair["gt_path"]).stem for pair in pairs] == ["a", "b", "c"]


def test_a_dataset_drawn_by_number_gets_the_stream_and_others_basicsrs_sampler() -> None:
    sampler = import_module("basicsr.train").EnlargedSampler

    class ByNumber(list[int]):
        draws_by_sample_number = True

    stream = sampler(ByNumber(range(4)), 2, 1, 3)
    stream.set_epoch(5)
    assert list(stream) == [60 + 2 * k + 1 for k in range(6)]
    assert max(sampler.__wrapped__(ByNumber(range(4)), 2, 1, 3)) < 4
    others = sampler(list(range(4)), 2, 1, 3)
    assert isinstance(others, sampler.__wrapped__)
    whole = [sampler.__wrapped__(list(range(4)), 2, 1, 3) for _ in range(2)]
    for epoch, theirs in enumerate(whole):
        theirs.set_epoch(epoch)
    assert list(others) == list(whole[0])
    others.go_on(1, 2)
    others.set_epoch(1)
    assert list(others) == list(whole[1])[2:]


def test_workers_draw_anew_in_each_epoch() -> None:
    seed_worker = import_module("basicsr.data").worker_init_fn

    def drawn(seeding: Any, epoch: int) -> tuple[float, float]:
        torch.manual_seed(1000 + epoch)  # as a DataLoader seeds its worker, differently in each epoch
        seeding(worker_id=0, num_workers=1, rank=0, seed=7)
        return random.random(), float(np.random.rand())

    assert drawn(seed_worker.__wrapped__, 0) == drawn(seed_worker.__wrapped__, 1)
    assert drawn(seed_worker, 0) != drawn(seed_worker, 1)
    assert drawn(seed_worker, 1) == drawn(seed_worker, 1)


def test_the_same_options_build_a_dataset_twice(folder: Path) -> None:
    dataset = import_module("basicsr.data.paired_image_dataset").PairedImageDataset
    options = paired_options(folder)

    def unmended() -> Any:
        made = object.__new__(dataset)
        dataset.__init__.__wrapped__(made, options)
        return made

    assert dataset(options)[0]["gt"].shape == (3, 16, 16)
    assert dataset(options)[0]["gt"].shape == (3, 16, 16)
    unmended()[0]
    with pytest.raises(KeyError, match="type"):
        unmended()[0]


@pytest.mark.timeout(20)  # unmended, it waits for ever
def test_an_error_in_the_prefetching_thread_is_raised_where_the_batch_is_asked_for() -> None:
    module = import_module("basicsr.data.prefetch_dataloader")

    def batches() -> Iterator[str]:
        yield "first"
        raise ValueError("image 2 is damaged")

    fetched = module.CPUPrefetcher(module.PrefetchGenerator(batches(), 1))
    assert fetched.next() == "first"
    with pytest.raises(ValueError, match="image 2 is damaged"):
        fetched.next()
    assert fetched.next() is None


def test_basicsrs_own_prefetching_thread_dies_in_silence() -> None:
    module = import_module("basicsr.data.prefetch_dataloader")

    def batches() -> Iterator[str]:
        raise ValueError("image 1 is damaged")
        yield

    thread = SimpleNamespace(generator=batches(), queue=queue.Queue(1))
    with pytest.raises(ValueError, match="damaged"):
        module.PrefetchGenerator.run.__wrapped__(thread)
    assert thread.queue.empty(), "so whoever waits for the batch waits for ever"


def test_a_run_starts_its_loader_once() -> None:
    prefetcher = import_module("basicsr.data.prefetch_dataloader").CPUPrefetcher

    class Loader:
        started = 0

        def __iter__(self) -> Iterator[int]:
            self.started += 1
            return iter(range(self.started, 3))

    def train(begin: Any) -> int:
        loader, fetched = Loader(), object.__new__(prefetcher)
        begin(fetched, loader)
        fetched.reset()  # as BasicSR's loop does before the first batch of each epoch
        assert fetched.next() == loader.started
        return loader.started

    assert train(prefetcher.__init__) == 1
    assert train(prefetcher.__init__.__wrapped__) == 2
    asked_at_once = prefetcher(Loader())
    assert [asked_at_once.next() for _ in range(3)] == [1, 2, None]


def test_what_is_sent_to_a_spawned_worker_names_the_seams_first(folder: Path) -> None:
    data = import_module("basicsr.data")
    options = paired_options(folder)
    dataset = import_module("basicsr.data.paired_image_dataset").PairedImageDataset(options)
    assert first_import(pickle.dumps(dataset)).startswith("basicsr.")
    data.build_dataloader(dataset, options)
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
    ForkingPickler.register(kind, seams_data._reduce)
    arrived: Any = pickle.loads(bytes(ForkingPickler.dumps(kind())))
    assert type(arrived) is kind
    assert arrived.root == "hr"


def first_import(pickled: bytes) -> str:
    """The first module that unpickling imports."""
    texts = [str(argument) for operation, argument, _ in pickletools.genops(pickled) if isinstance(argument, str)]
    return texts[0]


@pytest.mark.slow
def test_a_spawned_worker_reads_basicsrs_dataset(folder: Path) -> None:
    options = paired_options(folder)
    data = import_module("basicsr.data")
    loader = data.build_dataloader(data.build_dataset(options), options, seed=0)
    loader.multiprocessing_context = "spawn"
    assert [tuple(batch["gt"].shape) for batch in loader] == [(1, 3, 16, 16)] * 3


def test_an_image_that_cannot_be_decoded_is_named(folder: Path) -> None:
    (folder / "b.png").write_bytes(b"no image")
    dataset = import_module("basicsr.data.paired_image_dataset").PairedImageDataset(paired_options(folder))
    with pytest.raises(ValueError, match=r"b\.png: expected an image, found text"):
        dataset[1]
    with pytest.raises(AttributeError, match="NoneType"):
        import_module("basicsr.utils.img_util").imfrombytes.__wrapped__(b"no image", float32=True)


def test_two_clients_share_an_lmdb(lmdb_path: Path) -> None:
    backend = import_module("basicsr.utils.file_client").LmdbBackend
    first, second = backend([str(lmdb_path)] * 2, ["lq", "gt"]), backend(str(lmdb_path), "gt")
    assert first.get("a", "lq") == first.get("a", "gt") == second.get("a", "gt") == b"content"
    with pytest.raises(lmdb.Error, match="already open"):
        backend.__init__.__wrapped__(object.__new__(backend), str(lmdb_path))


def test_our_own_data_shares_basicsrs_environment(lmdb_path: Path) -> None:
    environment = import_module("usrda_plugin.data.backends").lmdb_environment(lmdb_path)
    with environment.begin():
        assert import_module("basicsr.utils.file_client").LmdbBackend(str(lmdb_path)).get("a", "default") == b"content"


def test_an_lmdb_client_is_pickled_after_it_has_read(lmdb_path: Path) -> None:
    client = import_module("basicsr.utils.file_client").FileClient("lmdb", db_paths=str(lmdb_path))
    assert client.get("a") == b"content"
    assert pickle.loads(pickle.dumps(client)).get("a") == b"content"


def test_a_forked_worker_reads_with_an_environment_of_its_own(lmdb_path: Path) -> None:
    client = import_module("basicsr.utils.file_client").FileClient("lmdb", db_paths=str(lmdb_path))
    client.get("a")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 on forking beside threads
        child = os.fork()
    if child == 0:
        os._exit(0 if client.get("a") == b"content" else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert client.get("a") == b"content"


def test_a_missing_key_is_an_error_that_names_key_and_lmdb(lmdb_path: Path) -> None:
    backend = import_module("basicsr.utils.file_client").LmdbBackend
    client = backend(str(lmdb_path))
    with pytest.raises(KeyError) as caught:
        client.get("z", "default")
    assert "images.lmdb has no image of the key 'z'" in str(caught.value)
    environment = import_module("usrda_plugin.data.backends").lmdb_environment(lmdb_path)
    client._client = {"default": environment}
    assert backend.get.__wrapped__(client, "z", "default") is None


@pytest.mark.parametrize(
    ("paths", "keys", "fault", "match"),
    [("nowhere.lmdb", "gt", FileNotFoundError, "nowhere.lmdb"), ("a.lmdb", ["lq", "gt"], ValueError, "one client key")],
)
def test_a_wrong_lmdb_client_is_refused(paths: str, keys: Any, fault: type[Exception], match: str) -> None:
    with pytest.raises(fault, match=match):
        import_module("basicsr.utils.file_client").LmdbBackend(paths, keys)


def test_an_unknown_client_key_is_refused(lmdb_path: Path) -> None:
    client = import_module("basicsr.utils.file_client").LmdbBackend(str(lmdb_path), "gt")
    with pytest.raises(ValueError, match=r"out of \['gt'\], found 'lq'"):
        client.get("a", "lq")


@pytest.mark.parametrize(
    ("image", "unmended"),
    [
        (np.zeros((192, 192, 3), np.uint8), np.linalg.LinAlgError),
        (np.random.default_rng(0).integers(0, 256, (95, 300, 3), dtype=np.uint8), RuntimeError),
        (np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8), np.linalg.LinAlgError),
    ],
    ids=["flat", "small", "one block"],
)
def test_niqe_of_an_image_it_cannot_judge_is_nan(image: Any, unmended: type[Exception]) -> None:
    calculate_metric = import_module("basicsr.metrics").calculate_metric
    options = {"type": "calculate_niqe", "crop_border": 0}
    with pytest.warns(UserWarning, match="NIQE is not defined"):
        assert math.isnan(calculate_metric({"img": image}, options))
    original = import_module("basicsr.metrics.niqe").calculate_niqe.__wrapped__
    warnings.simplefilter("ignore")  # pytest takes it back
    with pytest.raises(unmended):
        original(image, 0)


def test_niqe_of_a_judgeable_image_is_basicsrs() -> None:
    niqe = import_module("basicsr.metrics.niqe").calculate_niqe
    image = np.random.default_rng(0).integers(0, 256, (192, 192, 3), dtype=np.uint8)
    assert niqe(image, 0) == niqe.__wrapped__(image, 0)
    with pytest.raises(ValueError, match="Wrong input_order"):
        niqe(image, 0, input_order="WHC")

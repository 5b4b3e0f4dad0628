"""Seams for several processes, with a process group of one."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Iterator
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn

from usrda_plugin.runner.seams import apply_seams

apply_seams()

on_cpu = pytest.mark.skipif(torch.cuda.is_available(), reason="shows what happens where there is no GPU")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment that torchrun gives to the only process of a run."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    yield
    if dist.is_initialized():
        dist.destroy_process_group()


@on_cpu
def test_processes_without_a_gpu_meet_by_gloo(alone: None) -> None:
    init_dist = import_module("basicsr.utils.options").init_dist
    # the original is stopped before it sets the start method for the whole of this test run
    unmended = import_module("basicsr.utils.dist_util")._init_dist_pytorch
    with pytest.raises(ZeroDivisionError):
        unmended("nccl")
    before = multiprocessing.get_start_method(allow_none=True)
    init_dist("pytorch")
    assert dist.get_backend() == "gloo"
    assert multiprocessing.get_start_method(allow_none=True) == before


def test_basicsr_itself_forces_spawn(monkeypatch: pytest.MonkeyPatch) -> None:
    dist_util = import_module("basicsr.utils.dist_util")
    forced: list[str] = []
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr(torch.multiprocessing, "get_start_method", lambda allow_none: None)
    monkeypatch.setattr(torch.multiprocessing, "set_start_method", forced.append)
    monkeypatch.setattr(dist_util, "_init_dist_pytorch", lambda backend: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    dist_util.init_dist("pytorch")
    assert forced == []
    dist_util.init_dist.__wrapped__("pytorch")
    assert forced == ["spawn"]


@on_cpu
def test_a_network_on_the_cpu_is_wrapped_without_naming_a_gpu(alone: None) -> None:
    import_module("basicsr.utils.dist_util").init_dist("pytorch")
    base = import_module("basicsr.models.base_model").BaseModel
    model: Any = base({"num_gpu": 0, "dist": True, "is_train": True})
    with pytest.raises((RuntimeError, AssertionError)):
        base.model_to_device.__wrapped__(model, nn.Linear(2, 1))
    wrapped = model.model_to_device(nn.Linear(2, 1))
    assert wrapped.device_ids is None
    wrapped(torch.ones(1, 2)).sum().backward()
    assert model.get_bare_model(wrapped).weight.grad.tolist() == [[1, 1]]


def test_a_single_process_is_left_to_basicsr() -> None:
    base = import_module("basicsr.models.base_model").BaseModel
    network = nn.Linear(2, 1)
    assert base({"num_gpu": 0, "dist": False, "is_train": True}).model_to_device(network) is network


@pytest.mark.parametrize(
    ("launcher", "match"),
    [("mpi", "found 'mpi'"), ("pytorch", "torchrun"), pytest.param("slurm", "needs a GPU", marks=on_cpu)],
)
def test_a_launcher_that_cannot_work_says_why(launcher: str, match: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ValueError, match=match):
        import_module("basicsr.utils.dist_util").init_dist(launcher)


def test_with_gpus_basicsrs_own_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    dist_util = import_module("basicsr.utils.dist_util")
    taken = SimpleNamespace(calls=[])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(dist_util, "_init_dist_slurm", lambda backend, port: taken.calls.append((backend, port)))
    dist_util.init_dist("slurm", port=29501)
    assert taken.calls == [("nccl", 29501)]

"""Patches for several processes, with a process group of one."""

from __future__ import annotations

import multiprocessing
import socket
from collections.abc import Iterator
from copy import deepcopy
from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

SRUN = {"SLURM_PROCID": "0", "SLURM_NTASKS": "1", "SLURM_NODELIST": "here"}

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
    monkeypatch.setattr(dist_util, "_init_dist_pytorch", lambda backend, timeout=None: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    dist_util.init_dist("pytorch")
    assert forced == []
    dist_util.init_dist.__wrapped__("pytorch")
    assert forced == ["spawn"]


def starts_recorded(monkeypatch: pytest.MonkeyPatch, gpus: int) -> list[tuple[Any, ...]]:
    """What torch and BasicSR would be asked to begin a process group with, on a machine with these GPUs."""
    starts: list[tuple[Any, ...]] = []
    dist_util = import_module("basicsr.utils.dist_util")
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    monkeypatch.setattr(
        torch.distributed, "init_process_group", lambda backend, timeout: starts.append((backend, timeout))
    )
    monkeypatch.setattr(dist_util, "_init_dist_pytorch", lambda backend, timeout: starts.append((backend, timeout)))
    return starts


@pytest.mark.parametrize(("gpus", "backend"), [(0, "gloo"), (2, "nccl")])
@pytest.mark.parametrize(("asked", "minutes"), [(None, 10), ("0.5", 0.5), ("90", 90)])
def test_processes_wait_ten_minutes_for_each_other_or_as_long_as_the_user_says(
    gpus: int, backend: str, asked: str | None, minutes: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = starts_recorded(monkeypatch, gpus)
    monkeypatch.delenv("USRDA_DIST_TIMEOUT", raising=False)
    if asked:
        monkeypatch.setenv("USRDA_DIST_TIMEOUT", asked)
    import_module("basicsr.utils.dist_util").init_dist("pytorch")
    assert starts == [(backend, timedelta(minutes=minutes))]


@pytest.mark.parametrize("wrong", ["soon", "0", "-1", "nan", "inf"])
def test_a_wrong_timeout_is_refused_by_name(wrong: str, monkeypatch: pytest.MonkeyPatch) -> None:
    starts = starts_recorded(monkeypatch, gpus=0)
    monkeypatch.setenv("USRDA_DIST_TIMEOUT", wrong)
    with pytest.raises(ValueError, match=rf"USRDA_DIST_TIMEOUT: expected minutes, .* found '{wrong}'"):
        import_module("basicsr.utils.dist_util").init_dist("pytorch")
    assert starts == []


def test_more_processes_than_gpus_are_refused_before_nccl_meets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    starts = starts_recorded(monkeypatch, gpus=2)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    with pytest.raises(ValueError, match=r"found 3 processes and 2 GPU\(s\)"):
        import_module("basicsr.utils.dist_util").init_dist("pytorch")
    assert starts == []


@on_cpu
def test_buffers_are_copied_at_the_start_and_never_again(alone: None, monkeypatch: pytest.MonkeyPatch) -> None:
    import_module("basicsr.utils.dist_util").init_dist("pytorch")
    base = import_module("basicsr.models.base_model").BaseModel
    model: Any = base({"num_gpu": 0, "dist": True, "is_train": True})
    at_start: list[bool] = []
    copies: list[str] = []
    original = DistributedDataParallel.__init__.__globals__["_sync_module_states"]

    def sync_module_states(*args: Any, broadcast_buffers: bool = True, **kwargs: Any) -> None:
        at_start.append(broadcast_buffers)
        original(*args, broadcast_buffers=broadcast_buffers, **kwargs)

    monkeypatch.setitem(DistributedDataParallel.__init__.__globals__, "_sync_module_states", sync_module_states)
    monkeypatch.setattr(DistributedDataParallel, "_sync_buffers", lambda self: copies.append("copied"))
    critic = nn.utils.parametrizations.spectral_norm(nn.Conv2d(1, 1, 3))
    for wrapped, expected in (DistributedDataParallel(deepcopy(critic)), 2), (model.model_to_device(critic), 0):
        copies.clear()
        for _ in range(2):
            wrapped(torch.ones(1, 1, 4, 4))
        assert len(copies) == expected
    assert at_start == [True, True]


@on_cpu
def test_a_network_without_parameters_is_left_as_it_is(alone: None) -> None:
    import_module("basicsr.utils.dist_util").init_dist("pytorch")
    base = import_module("basicsr.models.base_model").BaseModel
    network = nn.Upsample(scale_factor=2)
    with pytest.raises(RuntimeError, match=r"any parameters? that requires? a gradient"):
        DistributedDataParallel(network)
    assert base({"num_gpu": 0, "dist": True, "is_train": False}).model_to_device(network) is network


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
    [
        ("mpi", "found 'mpi'"),
        ("pytorch", "torchrun"),
        ("slurm", "srun, which sets SLURM_PROCID, SLURM_NTASKS, SLURM_NO"),
    ],
)
def test_a_launcher_that_cannot_work_says_why(launcher: str, match: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", *SRUN):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match=match):
        import_module("basicsr.utils.dist_util").init_dist(launcher)


@on_cpu
def test_slurm_is_refused_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SRUN.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="needs a GPU"):
        import_module("basicsr.utils.dist_util").init_dist("slurm")


def test_with_gpus_basicsrs_own_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SRUN.items():
        monkeypatch.setenv(name, value)
    dist_util = import_module("basicsr.utils.dist_util")
    taken = SimpleNamespace(calls=[])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(dist_util, "_init_dist_slurm", lambda backend, port: taken.calls.append((backend, port)))
    dist_util.init_dist("slurm", port=29501)
    assert taken.calls == [("nccl", 29501)]

"""Patches for training by several processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from math import isfinite
from typing import Any

import torch
import torch.distributed
from basicsr.models.base_model import BaseModel
from basicsr.utils import dist_util
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from usrda_plugin.patch import mentions, patch, replace, replace_everywhere

ENVIRONMENT = "USRDA_DIST_TIMEOUT"
DEFAULT_TIMEOUT = 10
"""Minutes: torch's own choice for nccl, instead of the 30 for gloo. All that one process does alone takes less."""


def process_timeout() -> timedelta:
    """How long a process waits for the others: $USRDA_DIST_TIMEOUT in minutes, or ``DEFAULT_TIMEOUT``.

    Raises ValueError where the variable is no such number.
    """
    text = os.environ.get(ENVIRONMENT) or str(DEFAULT_TIMEOUT)
    try:
        minutes = float(text)
    except ValueError:
        minutes = float("nan")
    if not isfinite(minutes) or minutes <= 0:
        raise ValueError(f"${ENVIRONMENT}: expected minutes, a number above 0, found {text!r}")
    return timedelta(minutes=minutes)


@patch(
    "start_processes",
    "several processes on the CPU: rank % 0; workers are forced to spawn and import torch anew in each epoch",
)
def start_processes_on_any_device() -> bool:
    """Join the process group with gloo where there is no GPU, and leave the start method of workers alone."""
    if not mentions(dist_util.init_dist, "set_start_method") and not mentions(dist_util._init_dist_pytorch, "cuda"):
        return False
    return replace_everywhere(dist_util, "init_dist", lambda original: _init_dist)


def _init_dist(launcher: str, backend: str = "nccl", **kwargs: Any) -> None:
    _check_launcher(launcher)
    if launcher == "slurm":
        dist_util._init_dist_slurm(backend, **kwargs)  # which takes no timeout
    elif torch.cuda.is_available():
        _check_gpus()
        dist_util._init_dist_pytorch(backend, timeout=process_timeout(), **kwargs)
    else:
        torch.distributed.init_process_group(backend="gloo", timeout=process_timeout(), **kwargs)


def _check_launcher(launcher: str) -> None:
    """Raise ValueError where the process was not started as its launcher starts it."""
    if launcher not in ("pytorch", "slurm"):
        raise ValueError(f"expected the launcher pytorch or slurm, found {launcher!r}")
    if launcher == "pytorch" and "RANK" not in os.environ:
        raise ValueError("--launcher pytorch: start the processes with torchrun, which tells each its rank")
    missing = [name for name in ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_NODELIST") if name not in os.environ]
    if launcher == "slurm" and missing:
        raise ValueError(f"--launcher slurm: start the processes with srun, which sets {', '.join(missing)}")
    if launcher == "slurm" and not torch.cuda.is_available():
        raise ValueError(
            "--launcher slurm needs a GPU for each process; on CPU start with torchrun, --launcher pytorch"
        )


def _check_gpus() -> None:
    """Raise ValueError where two processes of this machine would have one GPU, which nccl does not take."""
    processes, gpus = int(os.environ.get("LOCAL_WORLD_SIZE", "1")), torch.cuda.device_count()
    if processes > gpus:
        raise ValueError(
            f"expected a GPU for each process of this machine, found {processes} processes and {gpus} GPU(s): start"
            " fewer (torchrun --nproc_per_node), or train on the CPU (num_gpu: 0)"
        )


@patch(
    "wrap_networks",
    "DistributedDataParallel is given a GPU where there is none, refuses a network without parameters, and in each"
    " pass overwrites buffers that the pass before needs for its backward pass",
)
def wrap_networks_on_any_device() -> bool:
    """Wrap a network for training by several processes on any device; its buffers are copied once, at the start."""
    return replace(BaseModel, "model_to_device", _with_own_buffers)


def _with_own_buffers(original: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    def model_to_device(self: Any, net: nn.Module) -> nn.Module:
        if not self.opt["dist"]:
            return original(self, net)
        if not any(parameter.requires_grad for parameter in net.parameters()):
            return net.to(self.device)  # nothing to exchange, which DistributedDataParallel refuses
        if self.device.type != "cpu":
            return _without_copies(original(self, net))
        find_unused = self.opt.get("find_unused_parameters", False)
        return _without_copies(DistributedDataParallel(net.to(self.device), find_unused_parameters=find_unused))

    return model_to_device


def _without_copies(wrapped: nn.Module) -> nn.Module:
    """Leave out the copy of the first process's buffers that DistributedDataParallel makes before each pass.

    It writes into buffers that an earlier pass may still need for its backward pass: a critic has two or three passes
    before one. And nobody needs it. The vectors of a spectral norm depend on the weights and on the number of passes
    alone, which are the same in all processes once they have started from the same vectors. Statistics of batch norm
    are not read in training, and what is saved was always the first process's own.
    """
    if isinstance(wrapped, DistributedDataParallel):
        # not by the constructor's argument, which would leave out the copy at the start too
        wrapped.broadcast_buffers = False
    return wrapped

"""Seams for training with several processes."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
import torch.distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from usrda_plugin.runner.seams.record import mentions, replace, replace_everywhere


def start_processes_on_any_device() -> bool:
    """Join the process group with gloo where there is no GPU, and leave the start method of workers alone."""
    dist_util = import_module("basicsr.utils.dist_util")
    if not mentions(dist_util.init_dist, "set_start_method") and not mentions(dist_util._init_dist_pytorch, "cuda"):
        return False
    return replace_everywhere(dist_util, "init_dist", lambda original: _init_dist)


def _init_dist(launcher: str, backend: str = "nccl", **kwargs: Any) -> None:
    dist_util = import_module("basicsr.utils.dist_util")
    if launcher not in ("pytorch", "slurm"):
        raise ValueError(f"expected the launcher pytorch or slurm, found {launcher!r}")
    if launcher == "pytorch" and "RANK" not in os.environ:
        raise ValueError("--launcher pytorch: start the processes with torchrun, which tells each its rank")
    if torch.cuda.is_available():
        starters: dict[str, Callable[..., None]] = {
            "pytorch": dist_util._init_dist_pytorch,
            "slurm": dist_util._init_dist_slurm,
        }
        starters[launcher](backend, **kwargs)
    elif launcher == "slurm":
        raise ValueError(
            "--launcher slurm needs a GPU for each process; on CPU start with torchrun, --launcher pytorch"
        )
    else:
        torch.distributed.init_process_group(backend="gloo", **kwargs)


def wrap_networks_on_any_device() -> bool:
    """Wrap a network on the CPU for distributed training without naming a GPU."""
    return replace(import_module("basicsr.models.base_model").BaseModel, "model_to_device", _cpu_or_original)


def _cpu_or_original(original: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
    def model_to_device(self: Any, net: nn.Module) -> nn.Module:
        if not self.opt["dist"] or self.device.type != "cpu":
            return original(self, net)
        find_unused = self.opt.get("find_unused_parameters", False)
        return DistributedDataParallel(net.to(self.device), find_unused_parameters=find_unused)

    return model_to_device

"""Seams for the base class of BasicSR's models."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from importlib import import_module
from typing import Any

import torch

from usrda_plugin.compat.record import mentions, replace


def keep_model_options() -> bool:
    """Let a model take its options apart on a copy of its own."""
    return replace(import_module("basicsr.models.base_model").BaseModel, "__init__", _with_own_options)


def _with_own_options(original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, opt: dict[str, Any]) -> None:
        original(self, deepcopy(opt))

    return __init__


def write_whole_files() -> bool:
    """Let a model's networks and training states be whole under their names, or not there; a failure ends the run."""
    model = import_module("basicsr.models.base_model").BaseModel
    replace(model, "save_network", lambda original: _save_network)
    return replace(model, "save_training_state", lambda original: _save_training_state)


def _save_network(self: Any, net: Any, net_label: str, current_iter: int | str, param_key: Any = "params") -> None:
    import_module("usrda_plugin.models.saving").save_network(self, net, net_label, current_iter, param_key)


def _save_training_state(self: Any, epoch: int, current_iter: int) -> None:
    import_module("usrda_plugin.models.saving").save_training_state(self, epoch, current_iter)


def guard_steps() -> bool:
    """Let each model skip the steps whose loss or gradient is not finite; one that does so itself is left alone."""
    return replace(import_module("basicsr.models.base_model").BaseModel, "setup_schedulers", _and_guard_steps)


def _and_guard_steps(original: Callable[..., None]) -> Callable[..., None]:
    def setup_schedulers(self: Any) -> None:
        original(self)  # the last thing that a model does before it is ready to train
        if not hasattr(self, "skipped_state"):
            import_module("usrda_plugin.models.guarded_steps").guard_steps(self)

    return setup_schedulers


def average_buffers_too() -> bool:
    """Copy the buffers of the generator into its moving average."""
    base = import_module("basicsr.models.base_model").BaseModel
    if mentions(base.model_ema, "named_buffers"):
        return False
    return replace(base, "model_ema", _and_copy_buffers)


def _and_copy_buffers(original: Callable[..., None]) -> Callable[..., None]:
    @torch.no_grad()
    def model_ema(self: Any, decay: float = 0.999) -> None:
        original(self, decay)
        current = dict(self.get_bare_model(self.net_g).named_buffers())
        for name, buffer in self.net_g_ema.named_buffers():
            buffer.copy_(current[name])

    return model_ema


def self_ensemble_without_average() -> bool:
    """Let the self-ensemble, where this BasicSR has one, run a network that has no moving average."""
    model = import_module("basicsr.models.sr_model").SRModel
    return hasattr(model, "test_selfensemble") and replace(model, "test_selfensemble", _with_net_g_for_average)


def _with_net_g_for_average(original: Callable[..., None]) -> Callable[..., None]:
    def test_selfensemble(self: Any) -> None:
        if hasattr(self, "net_g_ema"):
            return original(self)
        self.net_g_ema = self.net_g
        try:
            original(self)
        finally:
            del self.net_g_ema
            self.net_g.train()

    return test_selfensemble

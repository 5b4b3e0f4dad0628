"""Seams for reading weights and training states: tensors only, never code, and an error that says what is wrong."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from torch import nn

from usrda_plugin.compat.record import replace
from usrda_plugin.weights import load


def load_networks_safely() -> bool:
    """Let ``BaseModel.load_network`` read tensors only, in any layout, and explain weights that do not fit."""
    return replace(import_module("basicsr.models.base_model").BaseModel, "load_network", lambda original: _load_network)


def _load_network(
    self: Any, net: nn.Module, load_path: str, strict: bool = True, param_key: str | None = "params"
) -> None:
    line = load(self.get_bare_model(net), load_path, param_key, strict=strict)
    import_module("basicsr.utils").get_root_logger().info(line)

"""Seams for reading weights and training states: tensors only, never code, and an error that says what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from torch import Tensor, nn

from usrda_plugin.files import USUAL_KEYS, read_tensors
from usrda_plugin.runner.seams.record import replace

_SHOWN = 3


def load_networks_safely() -> bool:
    """Let ``BaseModel.load_network`` read tensors only and explain weights that do not fit."""
    return replace(import_module("basicsr.models.base_model").BaseModel, "load_network", lambda original: _load_network)


def _load_network(
    self: Any, net: nn.Module, load_path: str, strict: bool = True, param_key: str | None = "params"
) -> None:
    logger = import_module("basicsr.utils").get_root_logger()
    net = self.get_bare_model(net)
    weights, key = _under_key(read_tensors(load_path), param_key, load_path)
    if key != param_key:
        logger.info(f"Loading: {param_key} does not exist, use {key}.")
    logger.info(f"Loading {net.__class__.__name__} model from {load_path}, with param key: [{key}].")
    weights = {name.removeprefix("module."): value for name, value in weights.items()}
    self._print_different_keys_loading(net, weights, strict)
    if strict:
        _check_fit(net, weights, load_path)
    net.load_state_dict(weights, strict=strict)


def _under_key(held: Any, param_key: str | None, load_path: str) -> tuple[Mapping[str, Tensor], str | None]:
    for key in (None,) if param_key is None else (param_key, *USUAL_KEYS):
        weights = held if key is None else held.get(key)
        if isinstance(weights, Mapping) and all(isinstance(value, Tensor) for value in weights.values()):
            return weights, key
    found = ", ".join(map(str, list(held)[:_SHOWN])) + (", ..." if len(held) > _SHOWN else "")
    where = "at the top" if param_key is None else f"under the key {param_key!r}"
    raise ValueError(
        f"{load_path}: expected weights {where}, found the keys {found};"
        " name the right one by path: param_key_*, or ~ where the file is a plain state dict"
    )


def _check_fit(net: nn.Module, weights: Mapping[str, Tensor], load_path: str) -> None:
    wanted = net.state_dict()
    differences: dict[str, list[str]] = {
        "missing": [name for name in wanted if name not in weights],
        "not of this network": [name for name in weights if name not in wanted],
        "of another shape": [
            f"{name} {tuple(weights[name].shape)} instead of {tuple(wanted[name].shape)}"
            for name in wanted
            if name in weights and weights[name].shape != wanted[name].shape
        ],
    }
    found = "; ".join(
        f"{len(names)} {kind} ({', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''})"
        for kind, names in differences.items()
        if names
    )
    if found:
        raise ValueError(
            f"{load_path}: expected the weights of this {net.__class__.__name__}, found tensors {found};"
            " give the file of a network with the same options, or set path: strict_load_*: false to load what fits"
        )

"""Seams for reading weights and training states: tensors only, never code, and an error that says what is wrong."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from usrda_plugin.runner.seams.record import replace

_SHOWN = 3


def read_tensors(file: str | Path) -> Any:
    """What a ``.pth`` or ``.state`` file holds, on the CPU.

    Raises FileNotFoundError, and ValueError for a file that holds code or is damaged.
    """
    if not Path(file).is_file():
        raise FileNotFoundError(f"no such file: {file} (weights or training state)")
    try:
        return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{file}: expected tensors, numbers and containers of these, found other pickled objects, which could run"
            " code and are not loaded; save the state dict alone, torch.save({'params': network.state_dict()}, file)"
        ) from error
    except (RuntimeError, EOFError) as error:
        raise ValueError(f"{file}: not a file of torch.save, or cut short; get or make it again ({error})") from error


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


def _under_key(held: Any, param_key: str | None, load_path: str) -> tuple[Mapping[str, torch.Tensor], str | None]:
    if param_key is None:
        return held, None
    for key in (param_key, "params"):
        if key in held:
            return held[key], key
    found = ", ".join(map(str, list(held)[:_SHOWN])) + (", ..." if len(held) > _SHOWN else "")
    raise ValueError(
        f"{load_path}: expected weights under the key {param_key!r}, found the keys {found};"
        " name the right one by path: param_key_*, or ~ where the file is a plain state dict"
    )


def _check_fit(net: nn.Module, weights: Mapping[str, torch.Tensor], load_path: str) -> None:
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

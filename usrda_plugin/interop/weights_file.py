"""Files of weights, opened without running anything that is in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from safetensors import SafetensorError, safe_open
from torch import Tensor

from usrda_plugin.archs.warm_start import PUBLIC_NAMES, open_checkpoint
from usrda_plugin.files import read_tensors
from usrda_plugin.models.checkpoints import NETWORK

Weights = dict[str, Tensor]

# the average of the weights is what validation measured
PREFERRED = ("params_ema", "params")


class WeightsFile(NamedTuple):
    """The weights of one network and what their file says about it.

    ``network`` is the file's own description, a dict with ``type`` and arguments, or None; ``key`` is where the weights
    stood in the file, "" at its top.
    """

    weights: Weights
    network: dict[str, Any] | None
    key: str


def read_weights(file: str | Path, param_key: str | None = None) -> WeightsFile:
    """Read a file of torch.save (tensors only, never code) or a safetensors file.

    ``param_key`` chooses among several sets of weights; by default the average is taken ("params_ema"), then "params",
    then what stands at the top. Raises FileNotFoundError, and ValueError for what is no such file.
    """
    path = Path(file)
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no such file"
        raise FileNotFoundError(f"{path}: expected a file of weights (*.pth or *.safetensors), found {what}")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    description = content.get(NETWORK)
    if description is not None and not isinstance(description, dict):
        description = None  # somebody else's key of the same name
    weights, key = _choose(path, content, param_key)
    return WeightsFile({name.removeprefix("module."): value for name, value in weights.items()}, description, key)


def _read_torch(path: Path) -> Mapping[str, Any]:
    return {str(key): value for key, value in read_tensors(path).items()}


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    try:
        with safe_open(path, framework="pt") as opened:
            flat = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  (it is no dict)
            told = (opened.metadata() or {}).get(NETWORK)
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path}: expected a safetensors file, found a damaged or other file ({error}); get or make it again"
        ) from None
    content: dict[str, Any] = flat
    if flat and all(name.startswith(tuple(f"{key}." for key in PREFERRED)) for name in flat):
        content = {}
        for name, value in flat.items():
            key, _, rest = name.partition(".")
            content.setdefault(key, {})[rest] = value
    return content if told is None else {**content, NETWORK: _parse(path, told)}


def _parse(path: Path, told: str) -> Any:
    try:
        return json.loads(told)
    except ValueError as error:
        raise ValueError(f"{path}: expected JSON in the metadata {NETWORK!r}, found {told!r} ({error})") from None


def _choose(path: Path, content: Mapping[str, Any], param_key: str | None) -> tuple[Weights, str]:
    sets = {key: value for key, value in content.items() if _is_weights(value)}
    if param_key is not None:
        if param_key not in sets:
            raise ValueError(f"{path}: expected weights below {param_key!r}, found {_names(sets) or 'none'}")
        return dict(sets[param_key]), param_key
    if PUBLIC_NAMES.keys() <= sets.keys():
        return open_checkpoint(content, None), ""
    bare = {key: value for key, value in content.items() if isinstance(value, Tensor)}
    if bare:
        return bare, ""
    for key in (*PREFERRED, *sets):
        if key in sets and (key in PREFERRED or len(sets) == 1):
            return dict(sets[key]), key
    remedy = f"choose one of {_names(sets)} by --param-key" if sets else "give a file of a network's weights"
    found = _names(sets) or f"only {_names(content) or 'nothing'}"
    raise ValueError(f"{path}: expected weights below {_names(PREFERRED)}, or at the top, found {found}; {remedy}")


def _is_weights(value: Any) -> bool:
    return isinstance(value, Mapping) and bool(value) and all(isinstance(tensor, Tensor) for tensor in value.values())


def _names(keys: Any) -> str:
    return ", ".join(map(repr, list(keys)[:5]))

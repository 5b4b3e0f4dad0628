"""Weights of other networks, under the names they have in ``USRDANet``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from usrda_plugin.files import USUAL_KEYS

Weights = dict[str, Tensor]

PARTS = ("encoder", "sr_decoder", "lr_decoder")
TRUNK = ("conv_first.", "body.", "conv_body.")
# the public re-implementation saves its three networks side by side
PUBLIC_NAMES = {"model_Enc": "encoder", "model_Dec_SR": "sr_decoder", "model_Dec_Id": "lr_decoder"}


def open_checkpoint(content: Mapping[str, Any], param_key: str | None) -> Weights:
    """The weights in a checkpoint: below ``param_key`` or "params", those of the public re-implementation, or bare.

    Raises ValueError where there are none, naming what there is.
    """
    if all(_is_weights(content.get(name)) for name in PUBLIC_NAMES):
        return {f"{part}.{key}": value for name, part in PUBLIC_NAMES.items() for key, value in content[name].items()}
    if param_key not in (None, *USUAL_KEYS, *content):
        raise ValueError(f"expected weights below {param_key!r}, found the keys {sorted(map(str, content))[:8]}")
    for key in (param_key, *USUAL_KEYS):
        if key is not None and _is_weights(content.get(key)):
            return {name.removeprefix("module."): value for name, value in content[key].items()}
    if content and _is_weights(content):
        return {name.removeprefix("module."): value for name, value in content.items()}
    keys = ", ".join(dict.fromkeys(repr(key) for key in (param_key, *USUAL_KEYS) if key))
    raise ValueError(f"expected weights below one of {keys}, found the keys {sorted(map(str, content))[:8]}")


def _is_weights(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(tensor, Tensor) for tensor in value.values())


def rename_rrdbnet(weights: Weights) -> Weights:
    """Weights of BasicSR's RRDBNet under their names in a ``USRDANet`` whose encoder is the trunk; others unchanged."""
    if "conv_first.weight" not in weights or "conv_up1.weight" not in weights:
        return weights
    return {f"{'encoder' if key.startswith(TRUNK) else 'sr_decoder'}.{key}": value for key, value in weights.items()}


def describe_misfit(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> str:
    """What keeps weights from fitting: missing, unexpected and other-shaped keys, a few of each; "" where they fit."""
    shared = expected.keys() & weights.keys()
    reshaped = [f"{k} {tuple(weights[k].shape)} for {tuple(expected[k].shape)}" for k in expected if k in shared
                and weights[k].shape != expected[k].shape]  # fmt: skip
    kinds = {
        "missing": [key for key in expected if key not in shared],
        "unexpected": [key for key in weights if key not in shared],
        "other shape": reshaped,
    }
    return "; ".join(f"{kind}: {_some(keys)}" for kind, keys in kinds.items() if keys)


def _some(keys: list[str], shown: int = 3) -> str:
    more = f" and {len(keys) - shown} more" if len(keys) > shown else ""
    return ", ".join(keys[:shown]) + more

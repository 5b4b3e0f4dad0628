"""The adapted network as a file that other programs open: an RRDBNet's where it is one, and without G_t."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from usrda_plugin.archs.opening import identify
from usrda_plugin.weights import NETWORK
from usrda_plugin.weights.writing import write

UPSCALING = ("encoder.", "sr_decoder.")
"""What of a USRDANet is used at test time."""


def write_network(trained: Path, file: Path) -> str:
    """Write the averaged network of a training's ``net_g_*.pth`` for use; returns the name of its class.

    With encoder "trunk" it is an RRDBNet (ESRGAN's), in BasicSR's layout under ``params``; other programs take a
    ``num_grow_ch`` of 32 for granted. Raises SaveError, and
    ValueError where the file is none of a USRDANet.
    """
    identified = identify(trained)
    description, weights = _for_use(dict(identified.description), identified.weights)
    write({"params": weights, NETWORK: description}, file)
    return str(description["type"])


def _for_use(network: dict[str, Any], weights: dict[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    used = {name: value for name, value in weights.items() if name.startswith(UPSCALING)}
    if network.get("encoder") != "trunk" or network["scale"] == 3:  # an RRDBNet enlarges by powers of two
        return {**network, "num_block_lr_decoder": 0, "noise_ch": 0}, used
    size: dict[str, Any] = {
        key: network[key] for key in ("scale", "num_feat", "num_block", "num_grow_ch") if key in network
    }
    channels = {key: network.get(key, 3) for key in ("num_in_ch", "num_out_ch")}
    return {"type": "RRDBNet", **channels, **size}, {name.partition(".")[2]: value for name, value in used.items()}

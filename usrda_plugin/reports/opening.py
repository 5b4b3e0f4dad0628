"""Any network from a file of weights: ours and BasicSR's as ever, others by spandrel, none by running its code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from usrda_plugin.archs.opening import open_network
from usrda_plugin.weights import UnreadableFileError, choose, read_tensors, shown, shown_path

INSTALL = "pip install spandrel, which knows many more"


def open_any(file: Path, description: Mapping[str, Any] | None = None) -> nn.Module:
    """The network of a file of weights, on the CPU, ready for inference.

    What this package does not recognise is built by spandrel (https://github.com/chaiNNer-org/spandrel), if it is
    installed, from the tensors alone: the file has been read by the one reader of weights, which loads no code.
    ``description``: the network's block of an option file, where there is one; a file of another network is opened as
    without it. Raises FileNotFoundError, ValueError.
    """
    faults = []
    for known in (description, None) if description else (None,):
        try:
            return open_network(file, description=known)
        except UnreadableFileError:
            raise  # damaged, or code: nobody else shall open it
        except ValueError as fault:
            faults.append(str(fault))
    return _by_spandrel(file, faults[0])


def _by_spandrel(file: Path, unknown: str) -> nn.Module:
    try:
        from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError
    except ImportError:
        raise ValueError(f"{unknown}; or {INSTALL}") from None
    weights = dict(choose(read_tensors(file)).weights)
    try:
        found = ModelLoader(device="cpu").load_from_state_dict(weights)
    except UnsupportedModelError:
        raise ValueError(f"{unknown}; spandrel does not know it either") from None
    except Exception as error:  # a network of its own whose tensors do not fit
        reason = shown(str(error).partition("\n")[0], 300) or type(error).__name__
        raise ValueError(f"{shown_path(file)}: spandrel cannot build its network: {reason}") from None
    if not isinstance(found, ImageModelDescriptor):
        raise ValueError(
            f"{shown_path(file)}: expected a network from LR to SR images, found {found.architecture.name}, which needs"
            " more than an image"
        )
    network: nn.Module = found.model
    return network.eval().requires_grad_(False)

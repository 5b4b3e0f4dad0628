"""Files that training writes: whole under their name, or not there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

NETWORK = "network"
"""Key of a network file under which its options stand, so that the file alone says how to build it."""


def write(content: Mapping[str, Any], file: Path) -> None:
    """Write a file of tensors, numbers and text by ``torch.save``; until it is whole it has another name."""
    unfinished = file.with_name(f".{file.name}.unfinished")
    try:
        torch.save(dict(content), unfinished)
        unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)


def weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of a network, bare of data parallelism, on the CPU and in the usual layout."""
    return {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}

"""What a file of weights that is shipped holds: the average that a training kept, and the options that build it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from usrda_plugin.weights.reading import NETWORK


def average_of(trained: Path, description: Mapping[str, Any], without: Sequence[str] = ()) -> dict[str, Any]:
    """The averaged weights of a file that training wrote, less the parts ``without``.

    ``description``: how the network is built, for files that do not say it themselves.
    """
    saved = torch.load(trained, map_location="cpu", weights_only=True)
    kept = {key: _alone(value) for key, value in saved["params_ema"].items() if key.partition(".")[0] not in without}
    return {"params": kept, NETWORK: saved.get(NETWORK) or dict(description)}


def _alone(value: Tensor) -> Tensor:
    """A tensor with no more memory behind it than its own, all of which a file would hold."""
    return value.detach().clone(memory_format=torch.contiguous_format)

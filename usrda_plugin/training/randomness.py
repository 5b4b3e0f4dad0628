"""The state of every generator of random numbers in this process."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

State = dict[str, Any]


def states() -> State:
    """The states of Python's, numpy's and torch's generators, as tensors, numbers, text and lists."""
    kind, keys, position, has_gauss, gauss = np.random.get_state()
    found: State = {
        "python": list(random.getstate()[1]),
        "python_gauss": random.getstate()[2],
        "numpy": [kind, torch.from_numpy(np.asarray(keys, np.int64)), int(position), int(has_gauss), float(gauss)],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        found["cuda"] = torch.cuda.get_rng_state()
    return found


def restore(saved: State) -> None:
    """Go on from there; a GPU's generator only where both have one."""
    random.setstate((3, tuple(saved["python"]), saved["python_gauss"]))
    kind, keys, position, has_gauss, gauss = saved["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(saved["torch"])
    if "cuda" in saved and torch.cuda.is_available():
        torch.cuda.set_rng_state(saved["cuda"])

"""Values that people and programs leave in option files, right and wrong."""

from __future__ import annotations

import datetime
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import torch

from usrda_plugin.options.components import DATASETS, LOSSES, METRICS, MODELS, NETWORKS, registered

KINDS = (MODELS, DATASETS, NETWORKS, LOSSES, METRICS)
# classes that there are, some that there are not, and names of their writers' making
NAMES = (
    *sorted(name for kind in KINDS for name in registered(kind) if not name.endswith("_basicsr")),
    *sorted(name for name, item in vars(torch.optim).items() if isinstance(item, type)),
    *("MultiStepLR", "MultiStepRestartLR", "CosineAnnealingRestartLR", "StepLR", "type", "Object", "usrdanet", "L1"),
    *("USRDANET", "basicsr", "optim.Adam", "Adam ", "__class__", "RRDBNet_basicsr"),
)
WORDS = (
    *(Path(__file__).parent / "words.txt").read_text(encoding="utf-8").split(),
    *("", " ", "3 ", "a b", "{{ x }}", "; touch trace", "\u202eabc", "\x00", "a\x00b", "a\nb", "\x1b[31m", "\ud800"),
    *("x" * 300, "x" * 5000),
)
NUMBERS = (
    *(0, -1, 1, 2, 3, 4, 5, 7, 8, 16, 33, 100, 255, 1000, 65536, 10**6, 2**31, 2**32, 2**63, 2**64, 10**12, 10**400),
    *(10**18, -7, -(2**63), 0.0, -0.0, 0.5, 1.0, 1.5, -0.5, 2.0, 0.999, 1e-4, 1e-30, 5e-324, 1e30, 1e308, -1e308),
    *(3.0000001, float("nan"), float("inf"), float("-inf")),
)
OTHERS: tuple[Any, ...] = (
    *(None, True, False, [], {}, [[]], [{}], {"a": {}}, [None], [1, 2], [1], [0, 0], [2, 1], [1, 2, 3], [0.9, 0.99]),
    *([-1], [float("nan"), 1], ["a"], [True, False], ["iso", "aniso"], [10**30, 10**30], list(range(200))),
    *(
        {"type": "L1Loss"},
        {"type": "GANLoss", "gan_type": "lsgan"},
        {"type": None},
        {"type": []},
        {"type": {"type": 1}},
    ),
    *({"loss_weight": 1}, {"": 1}, {" ": None}, {"type": "disk"}, {"_delete_": True}, {"_base_": "x.yml"}, {"a.b": 1}),
    *(datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 1), b"\x00\xff", {"雪": "🦆"}),
)


def any_value(rng: Random) -> Any:
    """A value of any kind, at times inside others."""
    value = deepcopy(rng.choice(rng.choice((NAMES, WORDS, NUMBERS, OTHERS))))
    deeper = rng.random()
    if deeper < 0.05:
        return [value, any_value(rng)]
    return {rng.choice(WORDS): value, rng.choice(NAMES): any_value(rng)} if deeper < 0.1 else value


def like(rng: Random, value: Any) -> Any:
    """A value of about the same kind: another number, another name, another list."""
    if isinstance(value, bool) or value is None:
        return rng.choice((True, False, None, "auto", 0, 1, "true", "no"))
    if isinstance(value, int | float):
        return rng.choice((*NUMBERS, value + 1, value - 1, value * 2, value / 2, -value, str(value), f"{value}e0"))
    if isinstance(value, str):
        return rng.choice((*NAMES, *WORDS, value[:-1], value + "x", value.swapcase(), value.upper(), value + " "))
    if isinstance(value, list) and value:
        changed = [like(rng, item) if rng.random() < 0.5 else item for item in value]
        return rng.choice(
            (changed, value[:-1], value + value, value[::-1], value[0], [value], {str(item): item for item in value})
        )
    return any_value(rng)

"""How long an iteration takes here: a few of them, by the option file itself."""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from basicsr.data import build_dataset
from basicsr.models import build_model
from torch.utils.data import default_collate

from usrda_plugin.compat.plugins import load_plugins
from usrda_plugin.options import load_options

WARM_UP, TIMED = 2, 6
MOST = 20.0
"""Seconds after which enough has been seen."""


def seconds_per_iteration(option_file: Path) -> float:
    """The median time of an iteration with its data, in seconds; nothing is saved.

    Raises OptionsError where the options are at fault.
    """
    load_plugins()
    opt = _of_this_process(load_options(option_file, is_train=True))
    dataset, model = build_dataset(opt["datasets"]["train"]), build_model(opt)
    batch, taken = opt["datasets"]["train"]["batch_size_per_gpu"], []
    for number in range(WARM_UP + TIMED):
        begun = time.perf_counter()
        model.feed_data(default_collate([dataset[number * batch + sample] for sample in range(batch)]))
        model.optimize_parameters(number + 1)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - begun)
        if number >= WARM_UP and sum(taken) > MOST:
            break
    return median(taken[WARM_UP:])


def _of_this_process(opt: dict[str, Any]) -> dict[str, Any]:
    """What BasicSR adds to the options of a training in one process, without a place to write to."""
    train = {**opt["datasets"]["train"], "scale": opt["scale"], "phase": "train"}
    gpus = torch.cuda.device_count() if opt["num_gpu"] == "auto" else opt["num_gpu"]
    one = {"dist": False, "rank": 0, "world_size": 1, "is_train": True, "num_gpu": gpus}
    nowhere = dict.fromkeys(("experiments_root", "models", "training_states", "log", "visualization"), "")
    return {**opt, **one, "path": {**opt["path"], **nowhere}, "datasets": {"train": train}, "val": {}}

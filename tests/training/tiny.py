"""A tiny training that can be killed, and all that it leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml

from tests.usrda_options import SIX_TERMS
from usrda_plugin.training import launch
from usrda_plugin.training.run import TrainingRun
from usrda_plugin.weights.writing import UNFINISHED

Options = dict[str, Any]
CRITIC = {"type": "USRDADiscriminator", "num_feat": 4, "num_down": 1}
PSNR = {"psnr": {"type": "calculate_psnr", "crop_border": 2, "test_y_channel": False}}
# eleven samples an epoch in batches of two: five iterations, and one sample over
OPTIONS: Options = {
    "name": "tiny",
    "model_type": "USRDAModel",
    "scale": 2,
    "num_gpu": 0,
    "manual_seed": 3,
    "datasets": {
        "train": {
            "name": "both", "type": "USRDADataset", "dataroot_gt": "hr", "dataroot_target": "lr", "gt_size": 16,
            "num_worker_per_gpu": 0, "batch_size_per_gpu": 2, "dataset_enlarge_ratio": 1,
        },
        "val": {"name": "pairs", "type": "PairedImageDataset", "dataroot_gt": "val_hr", "dataroot_lq": "val_lr",
                "io_backend": {"type": "disk"}},
    },
    "network_g": {"type": "USRDANet", "scale": 2, "encoder": "rrdb", "num_feat": 4, "num_block": 1, "num_grow_ch": 2,
                  "num_block_encoder": 1, "num_block_lr_decoder": 1, "noise_ch": 1},
    "network_d_f": {**CRITIC, "num_in_ch": 4, "spectral_norm": True},
    "network_d_t": CRITIC,
    "network_d_y": CRITIC,
    "path": {},
    "train": {
        "total_iter": 12,
        "warmup_iter": 3,
        "ema_decay": 0.9,
        "optim_g": {"type": "Adam", "lr": 1e-3, "betas": [0.9, 0.99]},
        "optim_d": {"type": "Adam", "lr": 1e-3, "betas": [0.9, 0.99]},
        "scheduler": {"type": "MultiStepLR", "milestones": [6, 9], "gamma": 0.5},
        "pixel_opt": {"type": "L1Loss", "loss_weight": 1},
        **SIX_TERMS,
    },
    "val": {"val_freq": 3, "save_img": False, "metrics": PSNR, "signals": {"images": 2, "size": 32}},
    "logger": {"print_freq": 1, "save_checkpoint_freq": 3, "use_tb_logger": False},
}  # fmt: skip


class Killed(BaseException):
    """What a test throws in the place of SIGKILL: nothing of the run catches it."""


def images(folder: Path) -> None:
    """Eleven source and five target photographs, two validation pairs."""
    rng = np.random.default_rng(0)
    for name, count, side in (("hr", 11, 80), ("lr", 5, 40), ("val_hr", 2, 96), ("val_lr", 2, 48)):
        (folder / name).mkdir()
        for number in range(count):
            coarse = rng.integers(0, 256, (7, 7, 3), dtype=np.uint8)
            picture = cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
            assert cv2.imwrite(str(folder / name / f"{number}.png"), picture)


def merged(options: Options, changes: Mapping[str, Any]) -> Options:
    """The options with changes at any depth; None removes; a block with a type of its own replaces the whole block."""
    result = dict(options)
    for name, value in changes.items():
        old = result.get(name)
        deeper = isinstance(value, Mapping) and isinstance(old, dict) and "type" not in value
        result[name] = merged(old, value) if deeper else value
        if value is None:
            del result[name]
    return result


def option_file(folder: Path, changes: Mapping[str, Any] | None = None) -> Path:
    """Write the options of a run."""
    file = folder / "tiny.yml"
    file.write_text(yaml.safe_dump(merged(OPTIONS, changes or {})))
    return file


def train(folder: Path, changes: Mapping[str, Any] | None = None, **choices: Any) -> Path:
    """Train below a folder, and return the folder of the run."""
    launch.train(option_file(folder, changes), root=folder, **choices)
    return folder / "experiments/tiny"


def train_killed(monkeypatch: Any, iteration: int, folder: Path, changes: Any = None, **choices: Any) -> Path:
    """As ``train``, but killed in the middle of an iteration, before its step is taken."""
    original = TrainingRun.update_learning_rate

    def update(self: TrainingRun, current_iter: int, *arguments: Any, **named: Any) -> None:
        original(self, current_iter, *arguments, **named)
        if current_iter == iteration:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(TrainingRun, "update_learning_rate", update)
        try:
            train(folder, changes, **choices)
        except Killed:
            return folder / "experiments/tiny"
    raise AssertionError("the run ended before it could be killed")


def tensors(run: Path) -> dict[str, Any]:
    """Everything in the networks and states of a run, by file and place."""
    files = [*run.glob("models/*.pth"), *run.glob("training_states/*.state"), *run.glob("training_states/*.more")]
    return {
        f"{file.name}: {place}": value
        for file in files
        for place, value in _flat(torch.load(file, weights_only=True))
    }  # fmt: skip


def _flat(content: Any, place: str = "") -> list[tuple[str, Any]]:
    if isinstance(content, Mapping):
        return [pair for name, value in content.items() for pair in _flat(value, f"{place}/{name}")]
    if isinstance(content, list | tuple):
        return [pair for number, value in enumerate(content) for pair in _flat(value, f"{place}/{number}")]
    return [(place, content.tolist() if isinstance(content, torch.Tensor) else content)]


LINE = re.compile(r"iter:\s*([\d,]+), lr:\(([^)]*)\)\] \[.*?\] (.*)$")
BEST = re.compile(r"# \w+: .*Best: .*")


def logged(run: Path) -> dict[str, str]:
    """The losses and rates of each iteration, the best metrics in order, and the signals, as they were written last."""
    lines = [line for log in sorted(run.glob("*.log")) for line in log.read_text().splitlines()]
    found = {match[1]: f"{match[2]} {match[3]}" for line in lines if (match := LINE.search(line))}
    validated = [line.strip() for line in lines if BEST.search(line)]
    signals = run / "signals.jsonl"
    measured = [json.loads(line) for line in signals.read_text().splitlines()] if signals.exists() else []
    return {**found, "best": validated[-1] if validated else "", "signals": json.dumps(measured)}


def leftovers(run: Path) -> list[str]:
    """What no run shall leave behind."""
    return [path.name for pattern in (UNFINISHED.format("*"), "*.lock") for path in run.parent.rglob(pattern)]

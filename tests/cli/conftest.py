"""Small runs of BasicSR: images, option files, one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml

OptionFile = Callable[..., Path]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: hr/ has four smooth images of 64 x 64 pixels, lr/ their halves, hr.txt their names."""
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (4, 9, 9, 3), dtype=np.uint8)
    names = [f"{number}.png" for number in range(len(noise))]
    for folder, size in (("hr", 64), ("lr", 32)):
        (tmp_path / folder).mkdir()
        for name, coarse in zip(names, noise, strict=True):
            image = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC)
            assert cv2.imwrite(str(tmp_path / folder / name), image)
    (tmp_path / "hr.txt").write_text("".join(f"{name}\n" for name in names))
    return tmp_path


@pytest.fixture
def option_file(workshop: Path) -> OptionFile:
    """Write the options of a run of BasicSR's SRModel, x2, 8 iterations on the CPU, with changes of the test's own."""

    def write(**changes: Any) -> Path:
        file = workshop / "options" / "tiny.yml"
        file.parent.mkdir(exist_ok=True)
        file.write_text(yaml.safe_dump(merged(sr_options(), changes), sort_keys=False))
        return file

    return write


def merged(options: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The options with changes at any depth; a block with a type of its own replaces the whole block."""
    result = dict(options)
    for key, value in changes.items():
        deeper = isinstance(value, dict) and isinstance(result.get(key), dict) and "type" not in value
        result[key] = merged(result[key], value) if deeper else value
    return result


def sr_options() -> dict[str, Any]:
    pairs = {"dataroot_gt": "hr", "dataroot_lq": "lr", "io_backend": {"type": "disk"}}
    return {
        "name": "tiny",
        "model_type": "SRModel",
        "scale": 2,
        "num_gpu": 0,
        "manual_seed": 0,
        "datasets": {
            "train": {
                "name": "pairs",
                "type": "PairedImageDataset",
                **pairs,
                "gt_size": 32,
                "use_hflip": True,
                "use_rot": True,
                "num_worker_per_gpu": 0,
                "batch_size_per_gpu": 2,
                "dataset_enlarge_ratio": 4,
                "prefetch_mode": None,
            },
            "val": {"name": "held_out", "type": "PairedImageDataset", **pairs},
        },
        "network_g": {"type": "SRVGGNetCompact", "num_feat": 8, "num_conv": 1, "upscale": 2},
        "path": {"pretrain_network_g": None, "strict_load_g": True, "resume_state": None},
        "train": {
            "ema_decay": 0.9,
            "optim_g": {"type": "Adam", "lr": 1e-3, "weight_decay": 0, "betas": [0.9, 0.99]},
            "scheduler": {"type": "MultiStepLR", "milestones": [100], "gamma": 0.5},
            "total_iter": 8,
            "warmup_iter": -1,
            "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
        },
        "val": {
            "val_freq": 4,
            "save_img": False,
            "metrics": {
                "psnr": {"type": "calculate_psnr", "crop_border": 2, "test_y_channel": False},
                "niqe": {"type": "calculate_niqe", "crop_border": 0, "better": "lower"},
            },
        },
        "logger": {"print_freq": 1, "save_checkpoint_freq": 4, "use_tb_logger": False, "wandb": None},
        "dist_params": {"backend": "gloo", "port": 29500},
    }

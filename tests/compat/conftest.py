"""Photographs of noise, and the options of a small data set and of a small model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photographs of noise, 48 x 48 pixels, made in an order that is not alphabetical."""
    images = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 3), dtype=np.uint8)
    for name, image in zip(("b", "c", "a"), images, strict=True):
        assert cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    return tmp_path


@pytest.fixture
def paired_options(folder: Path) -> dict[str, Any]:
    return {
        "name": "pairs",
        "type": "PairedImageDataset",
        "phase": "train",
        "scale": 1,
        "dataroot_gt": str(folder),
        "dataroot_lq": str(folder),
        "io_backend": {"type": "disk"},
        "gt_size": 16,
        "use_hflip": False,
        "use_rot": False,
        "num_worker_per_gpu": 1,
        "batch_size_per_gpu": 1,
    }


@pytest.fixture
def model_options(tmp_path: Path) -> dict[str, Any]:
    return {
        "name": "model",
        "model_type": "SRModel",
        "scale": 2,
        "num_gpu": 0,
        "dist": False,
        "is_train": True,
        "rank": 0,
        "world_size": 1,
        "network_g": {"type": "SRVGGNetCompact", "num_feat": 4, "num_conv": 1, "upscale": 2},
        "path": {"models": str(tmp_path), "training_states": str(tmp_path)},
        "train": {
            "ema_decay": 0.5,
            "optim_g": {"type": "Adam", "lr": 1e-4},
            "scheduler": {"type": "MultiStepLR", "milestones": [10], "gamma": 0.5},
            "pixel_opt": {"type": "L1Loss"},
        },
    }

"""A small USRDAModel with images to measure it on."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from tests.usrda_options import SIX_TERMS
from usrda_plugin.models import USRDAModel

Build = Callable[..., USRDAModel]

NETWORK = {
    "type": "USRDANet", "scale": 2, "encoder": "trunk", "num_feat": 4, "num_block": 1, "num_grow_ch": 2,
    "num_block_lr_decoder": 1, "noise_ch": 1,
}  # fmt: skip
CRITIC = {"type": "USRDADiscriminator", "num_feat": 4, "num_down": 1, "spectral_norm": True}


@pytest.fixture
def images(tmp_path: Path) -> dict[str, str]:
    """Two folders of smooth images with some noise: hr 96 x 96, lr 48 x 48."""
    for folder, side in (("hr", 96), ("lr", 48)):
        (tmp_path / folder).mkdir()
        for number in range(4):
            rng = np.random.default_rng(number)
            image = cv2.resize(rng.uniform(40, 210, (6, 6, 3)), (side, side)) + rng.normal(0, 3, (side, side, 1))
            assert cv2.imwrite(str(tmp_path / folder / f"{number}.png"), image.clip(0, 255).astype(np.uint8))
    return {"dataroot_gt": str(tmp_path / "hr"), "dataroot_target": str(tmp_path / "lr")}


@pytest.fixture
def build(tmp_path: Path, images: dict[str, str]) -> Build:
    """Build the model with these signals (None: no block) and changes of its ``train`` block."""

    def model(signals: dict[str, Any] | None, folder: str = "run", rank: int = 0, **train: Any) -> USRDAModel:
        root = tmp_path / folder
        (root / "models").mkdir(parents=True, exist_ok=True)
        adam = {"type": "Adam", "lr": 1e-3, "betas": [0.9, 0.99]}
        options = {
            "name": "run", "model_type": "USRDAModel", "scale": 2, "num_gpu": 0, "is_train": True, "dist": False,
            "rank": rank, "world_size": 1, "network_g": NETWORK, "network_d_f": {**CRITIC, "num_in_ch": 4},
            "network_d_t": CRITIC, "network_d_y": CRITIC,
            "datasets": {"train": {"type": "USRDADataset", "name": "both", "scale": 2, "gt_size": 32, **images}},
            "path": {
                "experiments_root": str(root), "models": str(root / "models"), "training_states": str(root),
                "visualization": str(root / "pictures"),
            },
            "train": {
                "ema_decay": 0.9, "optim_g": dict(adam), "optim_d": dict(adam), "total_iter": 10,
                "scheduler": {"type": "MultiStepLR", "milestones": [8], "gamma": 0.5},
                "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0}, **SIX_TERMS, **train,
            },
            "logger": {}, "val": {} if signals is None else {"signals": signals},
        }  # fmt: skip
        torch.manual_seed(0)
        return USRDAModel(copy.deepcopy(options))

    return model

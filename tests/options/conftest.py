"""Option files that are right, to be spoiled one place at a time."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from basicsr.archs.rrdbnet_arch import RRDBNet
from PIL import Image

from tests.usrda_options import SIX_TERMS
from usrda_plugin.options import OptionError, OptionsError, load_options

Options = dict[str, Any]


def save_images(folder: Path, count: int, side: int) -> Path:
    """Write ``count`` square images of random levels."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the folders ``hr`` (8 images of 64x64), ``lr`` and ``target`` (8 and 5 of 16x16), and ``empty``."""
    root = tmp_path_factory.mktemp("pictures")
    save_images(root / "hr", 8, 64)
    save_images(root / "lr", 8, 16)
    save_images(root / "target", 5, 16)
    (root / "empty").mkdir()
    return root


@pytest.fixture
def paired(pictures: Path) -> Options:
    """What BasicSR's SRModel trains by, with nothing left out that it reads."""
    return {
        "name": "a_run",
        "model_type": "SRModel",
        "scale": 4,
        "num_gpu": 0,
        "manual_seed": 7,
        "datasets": {
            "train": {
                "name": "train set",
                "type": "PairedImageDataset",
                "dataroot_gt": str(pictures / "hr"),
                "dataroot_lq": str(pictures / "lr"),
                "io_backend": {"type": "disk"},
                "gt_size": 32,
                "use_hflip": True,
                "use_rot": True,
                "num_worker_per_gpu": 0,
                "batch_size_per_gpu": 2,
                "dataset_enlarge_ratio": 1,
            },
            "val_1": {
                "name": "val set",
                "type": "PairedImageDataset",
                "dataroot_gt": str(pictures / "hr"),
                "dataroot_lq": str(pictures / "lr"),
                "io_backend": {"type": "disk"},
            },
        },
        "network_g": {
            "type": "RRDBNet",
            "num_in_ch": 3,
            "num_out_ch": 3,
            "num_feat": 4,
            "num_block": 1,
            "num_grow_ch": 2,
        },
        "path": {"strict_load_g": True},
        "train": {
            "ema_decay": 0.9,
            "optim_g": {"type": "Adam", "lr": 0.0001, "betas": [0.9, 0.99]},
            "scheduler": {"type": "MultiStepLR", "milestones": [3], "gamma": 0.5},
            "total_iter": 4,
            "warmup_iter": -1,
            "pixel_opt": {"type": "L1Loss", "loss_weight": 1.0, "reduction": "mean"},
        },
        "val": {
            "val_freq": 2,
            "save_img": False,
            "metrics": {"psnr": {"type": "calculate_psnr", "crop_border": 4, "test_y_channel": False}},
        },
        "logger": {"print_freq": 1, "save_checkpoint_freq": 2, "use_tb_logger": False},
    }


@pytest.fixture
def unpaired(paired: Options, pictures: Path) -> Options:
    """What USRDAModel trains by: all six terms but no perceptual part."""
    opt = deepcopy(paired)
    train_set = opt["datasets"]["train"]
    del train_set["dataroot_lq"], train_set["io_backend"]
    train_set |= {"type": "USRDADataset", "dataroot_target": str(pictures / "target")}
    critic = {"type": "USRDADiscriminator", "num_feat": 4}
    opt |= {
        "model_type": "USRDAModel",
        "network_g": {"type": "USRDANet", "scale": 4, "encoder": "conv", "num_feat": 4, "num_block": 1},
        "network_d_f": {**critic, "num_in_ch": 4},
        "network_d_t": {**critic, "view": "luma_high"},
        "network_d_y": dict(critic),
    }
    opt["train"] |= {
        "optim_d": {"type": "Adam", "lr": 0.0001},
        **deepcopy(SIX_TERMS),
    }
    return opt


@pytest.fixture
def testing(paired: Options, tmp_path: Path) -> Options:
    """What BasicSR's test reads, with weights of the network."""
    opt = deepcopy(paired)
    network = RRDBNet(**{key: value for key, value in opt["network_g"].items() if key != "type"})
    torch.save({"params": network.state_dict()}, tmp_path / "trained.pth")
    opt["path"]["pretrain_network_g"] = str(tmp_path / "trained.pth")
    opt["datasets"] = {"test_1": opt["datasets"]["val_1"]}
    del opt["train"], opt["logger"], opt["val"]["val_freq"]
    return opt


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Options]:
    """Write options to a file and load it."""

    def load(opt: Any, *overrides: str, is_train: bool = True) -> Options:
        file = tmp_path / "options.yml"
        file.write_text(opt if isinstance(opt, str) else yaml.safe_dump(opt, sort_keys=False), encoding="utf-8")
        return load_options(file, is_train=is_train, overrides=overrides)

    return load


@pytest.fixture
def faults(load: Callable[..., Options]) -> Callable[..., list[OptionError]]:
    """The faults that loading options reports; at least one is expected."""

    def faults(opt: Any, *overrides: str, is_train: bool = True) -> list[OptionError]:
        with pytest.raises(OptionsError) as caught:
            load(opt, *overrides, is_train=is_train)
        return caught.value.errors

    return faults

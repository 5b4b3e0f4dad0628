"""USR-DA with two processes on the CPU, started by torchrun as the help text says."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml

pytestmark = pytest.mark.slow

Options = dict[str, Any]

# what a user's own plugin may do: here it writes down what each process drew and what its networks became
PLUGIN = """
import json
import os
import pathlib

from basicsr.utils.registry import DATASET_REGISTRY, MODEL_REGISTRY

from usrda_plugin import USRDADataset, USRDAModel


def note(kind, value):
    with pathlib.Path(kind + os.environ["RANK"] + ".txt").open("a") as file:
        file.write(json.dumps(value) + "\\n")


@DATASET_REGISTRY.register()
class NotedDataset(USRDADataset):
    def __getitem__(self, sample_number):
        note("drawn", sample_number)
        return super().__getitem__(sample_number)


@MODEL_REGISTRY.register()
class NotedModel(USRDAModel):
    def optimize_parameters(self, current_iter):
        super().optimize_parameters(current_iter)
        networks = [self.net_g, *self.critics.values(), self.net_g_ema]
        note("sums", [float(value.double().sum()) for network in networks for value in network.state_dict().values()])
"""
CRITIC: Options = {"type": "USRDADiscriminator", "num_feat": 4, "num_down": 1}
OPTIONS: Options = {
    "name": "two",
    "model_type": "NotedModel",
    "scale": 2,
    "num_gpu": 0,
    "manual_seed": 3,
    "datasets": {
        "train": {
            "name": "both",
            "type": "NotedDataset",
            "dataroot_gt": "hr",
            "dataroot_target": "lr",
            "gt_size": 32,
            "seed": 3,
            "num_worker_per_gpu": 0,
            "batch_size_per_gpu": 2,
            "dataset_enlarge_ratio": 4,
        },
        "val": {
            "name": "pairs",
            "type": "PairedImageDataset",
            "dataroot_gt": "hr",
            "dataroot_lq": "lr",
            "io_backend": {"type": "disk"},
        },
    },
    "network_g": {
        "type": "USRDANet",
        "scale": 2,
        "encoder": "rrdb",
        "num_feat": 4,
        "num_block": 1,
        "num_grow_ch": 4,
        "num_block_encoder": 1,
        "num_block_lr_decoder": 1,
    },
    "network_d_f": {**CRITIC, "num_in_ch": 4},
    "network_d_t": {**CRITIC, "view": "luma_high"},
    "network_d_y": {**CRITIC, "spectral_norm": True},  # its buffers move in every pass
    "path": {},
    "train": {
        "total_iter": 5,
        "psnr_iter": 1,
        "net_d_init_iters": 1,
        "ema_decay": 0.9,
        "log_grad_norm": True,
        "optim_g": {"type": "Adam", "lr": 1e-3},
        "optim_d": {"type": "Adam", "lr": 1e-3},
        "scheduler": {"type": "MultiStepLR", "milestones": [100], "gamma": 0.5},
        "pixel_opt": {"type": "L1Loss", "loss_weight": 1},
        "gan_opt": {"type": "GANLoss", "gan_type": "lsgan", "loss_weight": 0.01},
        "align_opt": {"type": "USRDAAlignLoss", "loss_weight": 0.01},
        "rec_opt": {"loss_weight": 1},
        "res_opt": {"type": "L1Loss", "loss_weight": 1},
        "sty_opt": {"type": "GANLoss", "gan_type": "lsgan", "loss_weight": 0.01},
        "idt_opt": {"type": "L1Loss", "loss_weight": 0.01},
        "cyc_opt": {"loss_weight": 1},
    },
    "val": {
        "val_freq": 100,
        "save_img": False,
        "metrics": {"psnr": {"type": "calculate_psnr", "crop_border": 2}},
    },
    "logger": {"print_freq": 1, "save_checkpoint_freq": 5, "use_tb_logger": True},
}
LOSSES = {"align", "rec_pix", "rec_gan", "res", "sty", "idt", "cyc_pix", "cyc_gan", "total"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """hr/ has eight smooth images of 48 x 48 pixels, lr/ their halves; the plugin is noting.py."""
    coarse = np.random.default_rng(0).integers(0, 256, (8, 7, 7, 3), dtype=np.uint8)
    for folder, side in (("hr", 48), ("lr", 24)):
        (tmp_path / folder).mkdir()
        for number, colours in enumerate(coarse):
            image = cv2.resize(colours, (side, side), interpolation=cv2.INTER_CUBIC)
            assert cv2.imwrite(str(tmp_path / folder / f"{number}.png"), image)
    (tmp_path / "noting.py").write_text(PLUGIN)
    return tmp_path


def train_with_two_processes(place: Path, options: Options, *flags: str) -> str:
    """Train in two processes and return the log."""
    (place / "options.yml").write_text(yaml.safe_dump(options, sort_keys=False))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    train = ["-m", "usrda_plugin", "train", "--launcher", "pytorch", "-opt", "options.yml", "--plugin", "noting.py"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [*torchrun, *train, *flags], capture_output=True, text=True, check=False, cwd=place, env=environment
    )
    assert ended.returncode == 0, ended.stderr
    logs = sorted((place / "experiments" / "two").glob("train_*.log"), key=lambda log: log.stat().st_mtime_ns)
    return logs[-1].read_text()


def train_with_one_process(place: Path, options: Options) -> str:
    """The same training with the batches of both processes in one."""
    file = place / "one.yml"
    datasets = {**options["datasets"], "train": {**options["datasets"]["train"], "batch_size_per_gpu": 4}}
    file.write_text(yaml.safe_dump({**options, "name": "one", "datasets": datasets}, sort_keys=False))
    command = [sys.executable, "-m", "usrda_plugin", "train", "-opt", "one.yml", "--plugin", "noting.py"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RANK": "alone"}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=place, env=environment)
    assert ended.returncode == 0, ended.stderr
    return next((place / "experiments" / "one").glob("train_*.log")).read_text()


def noted(place: Path, kind: str) -> list[list[Any]]:
    """What each process has written down."""
    return [[json.loads(line) for line in (place / f"{kind}{rank}.txt").read_text().splitlines()] for rank in (0, 1)]


def logged(log: str) -> list[dict[str, float]]:
    """The losses and the critics' answers of each iteration."""
    lines = [line for line in log.splitlines() if ", lr:(" in line]
    return [{name: float(value) for name, value in re.findall(r"((?:l|out)_[gd]_\w+): (\S+)", line)} for line in lines]


def test_two_processes_train_all_terms_as_one_network_and_resume(place: Path) -> None:
    log = train_with_two_processes(place, OPTIONS)
    assert "World size (gpu number): 2" in log
    assert len(re.findall(r"iter: +\d+, lr", log)) == 5
    losses = logged(log)
    assert {f"l_g_{name}" for name in LOSSES} | {"l_d_f", "l_d_t", "l_d_y"} <= set(losses[-1])
    assert all(math.isfinite(value) for values in losses for value in values.values())
    assert re.search(r"# psnr: \d+\.\d+", log)

    first, second = noted(place, "drawn")
    assert len(first) == len(second) >= 10
    assert len({*first, *second}) == len(first) + len(second), "no sample is drawn twice"
    one, other = noted(place, "sums")
    assert len(one) == 5
    assert one == other, "the processes hold the same networks and averages"
    assert all(before != after for before, after in pairwise(one))

    run = place / "experiments" / "two"
    assert {f"net_{name}_5.pth" for name in ("g", "d_f", "d_t", "d_y")} <= {f.name for f in (run / "models").iterdir()}
    saved = torch.load(run / "models" / "net_g_5.pth", weights_only=True)
    assert not any(key.startswith("module.") for key in saved["params"])

    log = train_with_two_processes(
        place, OPTIONS, "--auto_resume", "--force_yml", "train:total_iter=7", "logger:use_tb_logger=false"
    )
    assert re.search(r"Resuming training from epoch: \d+, iter: 5\.", log)
    assert re.findall(r"iter: +(\d+), lr", log) == ["6", "7"]
    one, other = noted(place, "sums")
    assert len(one) == 7
    assert one == other


def test_parts_of_the_network_that_no_term_asks_are_not_waited_for(place: Path) -> None:
    train = {key: value for key, value in OPTIONS["train"].items() if not key.endswith("_opt")}
    train |= {key: OPTIONS["train"][key] for key in ("pixel_opt", "gan_opt", "rec_opt")}
    unasked = ("network_d_f", "network_d_t")
    log = train_with_two_processes(place, {k: v for k, v in OPTIONS.items() if k not in unasked} | {"train": train})
    assert len(re.findall(r"iter: +\d+, lr", log)) == 5
    assert set(logged(log)[-1]) >= {"l_g_rec_pix", "l_g_rec_gan", "l_g_total", "l_d_y"}
    one, other = noted(place, "sums")
    assert one == other

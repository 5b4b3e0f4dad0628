"""A small training in several processes on the CPU, started by torchrun, whose processes write down what they did."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from tests.usrda_options import SIX_TERMS

Options = dict[str, Any]

# what a user's own plugin may do: here it writes down what each process drew, logged, measured and has become
PLUGIN = """
import json
import os
import pathlib
import signal
import time

import torch
from basicsr.utils.registry import DATASET_REGISTRY, MODEL_REGISTRY

from usrda_plugin import USRDADataset, USRDAModel

torch.set_default_dtype(getattr(torch, os.environ.get("PRECISION", "float32")))


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
    def feed_data(self, data):
        is_image = lambda value: isinstance(value, torch.Tensor)
        super().feed_data({k: v.to(torch.get_default_dtype()) if is_image(v) else v for k, v in data.items()})

    def optimize_parameters(self, current_iter):
        if current_iter == 3 and os.environ["RANK"] == os.environ.get("SLEEPER"):
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            note("asleep", os.getpid())
            time.sleep(300)
        super().optimize_parameters(current_iter)
        networks = [self.net_g, *self.critics.values(), self.net_g_ema]
        note("sums", [float(value.double().sum()) for network in networks for value in network.state_dict().values()])

    def get_current_log(self):
        log = super().get_current_log()
        note("log", log)
        return log

    def validation(self, *arguments, **named):
        super().validation(*arguments, **named)
        note("metrics", self.metric_results)
"""
CRITIC: Options = {"type": "USRDADiscriminator", "num_feat": 4, "num_down": 1}
PSNR: Options = {"psnr": {"type": "calculate_psnr", "crop_border": 2}}
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
        "total_iter": 6,
        "psnr_iter": 1,
        "net_d_init_iters": 1,
        "ema_decay": 0.9,
        "log_grad_norm": True,
        "optim_g": {"type": "Adam", "lr": 1e-3},
        "optim_d": {"type": "Adam", "lr": 1e-3},
        "scheduler": {"type": "MultiStepLR", "milestones": [100], "gamma": 0.5},
        "pixel_opt": {"type": "L1Loss", "loss_weight": 1},
        **deepcopy(SIX_TERMS),
    },
    "val": {"val_freq": 100, "save_img": False, "metrics": PSNR},
    "logger": {"print_freq": 1, "save_checkpoint_freq": 6, "use_tb_logger": True},
}


def furnish(place: Path, side: int = 48) -> None:
    """hr/ has eight smooth images of so many pixels a side, lr/ their halves; the plugin is noting.py."""
    coarse = np.random.default_rng(0).integers(0, 256, (8, 7, 7, 3), dtype=np.uint8)
    for folder, pixels in (("hr", side), ("lr", side // 2)):
        (place / folder).mkdir()
        for number, colours in enumerate(coarse):
            image = cv2.resize(colours, (pixels, pixels), interpolation=cv2.INTER_CUBIC)
            assert cv2.imwrite(str(place / folder / f"{number}.png"), image)
    (place / "noting.py").write_text(PLUGIN)


@contextmanager
def launched(
    place: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """torchrun with these arguments; nothing of it stays."""
    with subprocess.Popen(
        [sys.executable, "-m", "torch.distributed.run", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=place,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
        start_new_session=True,
    ) as launcher:
        try:
            yield launcher
        finally:
            with suppress(ProcessLookupError):
                os.killpg(launcher.pid, signal.SIGKILL)


def started(
    place: Path, processes: int, *arguments: str, environment: Mapping[str, str] | None = None
) -> AbstractContextManager[subprocess.Popen[str]]:
    """torchrun with that many processes of ``basicsr``, which has these arguments."""
    program = ["--standalone", "--nproc_per_node", str(processes), "-m", "usrda_plugin"]
    return launched(
        place, *program, *arguments, "--launcher", "pytorch", "--plugin", "noting.py", environment=environment
    )


def run(place: Path, processes: int, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
    """Run ``basicsr`` in so many processes to its end, which must be a good one."""
    with started(place, processes, *arguments, environment=environment) as launcher:
        _, told = launcher.communicate()
    assert launcher.returncode == 0, told


def train(place: Path, options: Options, *flags: str, processes: int = 2, **environment: str) -> None:
    """Train in several processes."""
    (place / "options.yml").write_text(yaml.safe_dump(options, sort_keys=False))
    run(place, processes, "train", "-opt", "options.yml", *flags, environment=environment)


def noted(place: Path, kind: str, processes: int = 2) -> list[list[Any]]:
    """What each process has written down."""
    files = [place / f"{kind}{rank}.txt" for rank in range(processes)]
    return [[json.loads(line) for line in file.read_text().splitlines()] for file in files]

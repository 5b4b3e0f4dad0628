"""Whether a long training grows: resident memory of ``basicsr train`` after a warm-up and at its end.

A tiny network with all six terms trains on images of its own making, in this process, with validation by PSNR, SSIM and
NIQE, the signals without ground truth, pictures, TensorBoard, checkpoints. What is compared are the peaks of the first
and of the last stretch, from one validation to the next, of what comes after the warm-up.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2
import numpy as np
import torch
import yaml

from usrda_plugin.models import USRDAModel
from usrda_plugin.training import launch

PAGE = 4096
STATUS = Path("/proc/self/statm")
MOST = 0.03
CRITIC: dict[str, Any] = {"type": "USRDADiscriminator", "num_in_ch": 3, "num_feat": 4, "num_down": 1}
LSGAN: dict[str, Any] = {"type": "GANLoss", "gan_type": "lsgan", "loss_weight": 0.01}
ADAM: dict[str, Any] = {"type": "Adam", "lr": 1e-4, "betas": [0.9, 0.99]}


def main(arguments: list[str] | None = None) -> int:
    """Train, measure and print; 0 where memory grew by less than ``--most``, 1 where it did not."""
    chosen = build_parser().parse_args(arguments)
    if not STATUS.exists():
        print(f"expected Linux, which tells resident memory in {STATUS}; found none")
        return 2
    torch.set_num_threads(chosen.threads)
    with tempfile.TemporaryDirectory() as folder:
        resident = trained(Path(folder), chosen)
    figures = summary(resident, chosen)
    print(json.dumps(figures, indent=1))
    if chosen.json:
        chosen.json.write_text(json.dumps({**figures, "resident": resident}))
    return 0 if figures["growth"] < chosen.most else 1


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--iterations", type=int, default=3000, help="iterations to train (default 3000)")
    parser.add_argument("--validations", type=int, default=50, help="validations among them (default 50)")
    parser.add_argument("--warm-up", type=int, default=300, help="iterations that do not count (default 300)")
    parser.add_argument("--most", type=float, default=MOST, help="growth that is too much (default 0.03)")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads (default 1)")
    parser.add_argument("--json", type=Path, help="write the figures, and resident bytes by iteration, to this file")
    parser.add_argument("--leak", type=int, default=0, help=argparse.SUPPRESS)  # bytes an iteration, for the test
    return parser


def trained(folder: Path, chosen: argparse.Namespace) -> list[int]:
    """Train in a folder; resident bytes before each iteration."""
    write_images(folder)
    file = folder / "memory.yml"
    file.write_text(yaml.safe_dump(options(folder, chosen), sort_keys=False))
    resident: list[int] = []
    leaked: list[bytearray] = []
    step = USRDAModel.optimize_parameters

    def noting(model: USRDAModel, current_iter: int) -> None:
        resident.append(int(STATUS.read_text().split()[1]) * PAGE)
        leaked.append(bytearray(b"\1") * chosen.leak)
        step(model, current_iter)

    with patch.object(USRDAModel, "optimize_parameters", noting):
        launch.train(file, root=folder)
    return resident


def summary(resident: list[int], chosen: argparse.Namespace) -> dict[str, Any]:
    """Peaks of the first and of the last stretch after the warm-up, and by what part memory grew between them."""
    stretch = chosen.iterations // chosen.validations
    first = max(resident[chosen.warm_up : chosen.warm_up + stretch])
    last = max(resident[-stretch:])
    return {
        "iterations": len(resident),
        "validations": chosen.validations,
        "first_mib": first / 2**20,
        "last_mib": last / 2**20,
        "growth": last / first - 1,
    }


def write_images(folder: Path) -> None:
    """Eight smooth photographs of 208 x 208 pixels in hr/, their halves in lr/."""
    coarse = np.random.default_rng(0).integers(0, 256, (8, 13, 13, 3), dtype=np.uint8)
    for name, side in (("hr", 208), ("lr", 104)):
        (folder / name).mkdir()
        for number, colours in enumerate(coarse):
            image = cv2.resize(colours, (side, side), interpolation=cv2.INTER_CUBIC)
            cv2.imwrite(str(folder / name / f"{number}.png"), image)


def options(folder: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """The option file: as small as can be, with everything on that a long training has on."""
    disk = {"type": "disk"}
    hr, lr = str(folder / "hr"), str(folder / "lr")
    train_set = {
        "name": "both", "type": "USRDADataset", "dataroot_gt": hr, "dataroot_target": lr, "gt_size": 32, "seed": 0,
        "num_worker_per_gpu": 0, "batch_size_per_gpu": 2, "dataset_enlarge_ratio": 25,
    }  # fmt: skip
    val_set = {"name": "pairs", "type": "PairedImageDataset", "dataroot_gt": hr, "dataroot_lq": lr, "io_backend": disk}
    network = {
        "type": "USRDANet", "scale": 2, "encoder": "rrdb", "num_feat": 4, "num_block": 2, "num_grow_ch": 2,
        "num_block_encoder": 1, "num_block_lr_decoder": 1,
    }  # fmt: skip
    border = {"crop_border": 2}
    metrics = {
        "psnr": {"type": "calculate_psnr", **border},
        "ssim": {"type": "calculate_ssim", **border},
        "niqe": {"type": "calculate_usrda_niqe", **border, "better": "lower"},
    }
    stretch = chosen.iterations // chosen.validations
    return {
        "name": "memory", "model_type": "USRDAModel", "scale": 2, "num_gpu": 0, "manual_seed": 0,
        "datasets": {"train": train_set, "val": val_set},
        "network_g": network, "network_d_f": {**CRITIC, "num_in_ch": 4},
        "network_d_t": {**CRITIC, "view": "luma_high"}, "network_d_y": {**CRITIC, "spectral_norm": True},
        "path": {},
        "train": {
            "total_iter": chosen.iterations, "ema_decay": 0.99, "log_grad_norm": True, "clip_grad_norm": 10,
            "optim_g": dict(ADAM), "optim_d": dict(ADAM),
            "scheduler": {"type": "MultiStepLR", "milestones": [chosen.iterations], "gamma": 0.5},
            "pixel_opt": {"type": "L1Loss", "loss_weight": 1}, "gan_opt": dict(LSGAN),
            "align_opt": {"type": "USRDAAlignLoss", "loss_weight": 0.01}, "rec_opt": {"loss_weight": 1},
            "res_opt": {"type": "L1Loss", "loss_weight": 1}, "sty_opt": dict(LSGAN),
            "idt_opt": {"type": "L1Loss", "loss_weight": 0.01}, "cyc_opt": {"loss_weight": 1},
        },
        "val": {"val_freq": stretch, "save_img": True, "metrics": metrics, "signals": {"images": 2, "size": 64}},
        "logger": {"print_freq": 20, "save_checkpoint_freq": 5 * stretch, "use_tb_logger": True},
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())

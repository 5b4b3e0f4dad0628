"""USR-DA with two processes on the CPU, started by torchrun as the help text says."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from copy import deepcopy
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import torch
import yaml

from tests.usrda_options import SIX_TERMS
from usrda_plugin.cli.basicsr import main

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
        **deepcopy(SIX_TERMS),
    },
    "val": {
        "val_freq": 100,
        "save_img": False,
        "metrics": {"psnr": {"type": "calculate_psnr", "crop_border": 2}},
    },
    "logger": {"print_freq": 1, "save_checkpoint_freq": 5, "use_tb_logger": True},
}
LOSSES = {"align", "rec_pix", "rec_gan", "res", "sty", "idt", "cyc_pix", "cyc_gan", "total"}


class Run(NamedTuple):
    """A finished training: its current directory and the log that it wrote."""

    place: Path
    log: str


def furnish(place: Path) -> None:
    """hr/ has eight smooth images of 48 x 48 pixels, lr/ their halves; the plugin is noting.py."""
    coarse = np.random.default_rng(0).integers(0, 256, (8, 7, 7, 3), dtype=np.uint8)
    for folder, side in (("hr", 48), ("lr", 24)):
        (place / folder).mkdir()
        for number, colours in enumerate(coarse):
            image = cv2.resize(colours, (side, side), interpolation=cv2.INTER_CUBIC)
            assert cv2.imwrite(str(place / folder / f"{number}.png"), image)
    (place / "noting.py").write_text(PLUGIN)


def train_with_two_processes(place: Path, options: Options, *flags: str) -> Run:
    (place / "options.yml").write_text(yaml.safe_dump(options, sort_keys=False))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    train = ["-m", "usrda_plugin", "train", "--launcher", "pytorch", "-opt", "options.yml", "--plugin", "noting.py"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [*torchrun, *train, *flags], capture_output=True, text=True, check=False, cwd=place, env=environment
    )
    assert ended.returncode == 0, ended.stderr
    return Run(place, newest_log(place / "experiments" / "two"))


def train_with_one_process(options: Options, batch_size: int) -> str:
    """Train in this process, in the current directory; gives the log."""
    train_set = {**options["datasets"]["train"], "type": "USRDADataset", "batch_size_per_gpu": batch_size}
    datasets = {**options["datasets"], "train": train_set}
    options = {**options, "name": "one", "model_type": "USRDAModel", "datasets": datasets}
    Path("one.yml").write_text(yaml.safe_dump(options, sort_keys=False))
    assert main(["train", "-opt", "one.yml"]) == 0
    return newest_log(Path("experiments/one"))


def newest_log(folder: Path) -> str:
    return max(folder.glob("train_*.log"), key=lambda file: file.stat().st_mtime_ns).read_text()


def noted(place: Path, kind: str) -> list[list[Any]]:
    """What each process has written down."""
    return [[json.loads(line) for line in (place / f"{kind}{rank}.txt").read_text().splitlines()] for rank in (0, 1)]


def logged(log: str) -> list[dict[str, float]]:
    """The losses and the critics' answers of each iteration."""
    lines = [line for line in log.splitlines() if ", lr:(" in line]
    return [{name: float(value) for name, value in re.findall(r"((?:l|out)_[gd]_\w+): (\S+)", line)} for line in lines]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("two_processes")
    furnish(place)
    return train_with_two_processes(place, OPTIONS)


def test_all_terms_are_trained_validated_and_saved(trained: Run) -> None:
    assert "World size (gpu number): 2" in trained.log
    losses = logged(trained.log)
    assert len(losses) == 5
    assert {f"l_g_{name}" for name in LOSSES} | {"l_d_f", "l_d_t", "l_d_y"} <= set(losses[-1])
    assert all(math.isfinite(value) for values in losses for value in values.values())
    assert re.search(r"# psnr: \d+\.\d+", trained.log)
    models = {file.name for file in (trained.place / "experiments" / "two" / "models").iterdir()}
    assert {f"net_{name}_5.pth" for name in ("g", "d_f", "d_t", "d_y")} <= models


def test_no_sample_is_drawn_twice(trained: Run) -> None:
    first, second = noted(trained.place, "drawn")
    assert len(first) == len(second) >= 10
    assert len({*first, *second}) == len(first) + len(second)


def test_the_processes_hold_the_same_networks_after_each_step(trained: Run) -> None:
    one, other = noted(trained.place, "sums")
    assert len(one) == 5
    assert one == other
    assert all(before != after for before, after in pairwise(one))


def test_two_processes_train_as_one_with_twice_the_batch(
    trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(tmp_path)
    monkeypatch.chdir(tmp_path)
    expected = logged(train_with_one_process(OPTIONS, batch_size=4))
    for found, values in zip(logged(trained.log), expected, strict=True):
        assert found == pytest.approx(values, rel=2e-3, abs=1e-5)
    one, two = (
        torch.load(place / "experiments" / name / "models" / "net_g_5.pth", weights_only=True)
        for place, name in ((tmp_path, "one"), (trained.place, "two"))
    )
    for kind in ("params", "params_ema"):
        torch.testing.assert_close(two[kind], one[kind], rtol=0, atol=1e-4)


def test_switches_and_accumulated_gradients_change_nothing_in_two_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(tmp_path)
    monkeypatch.chdir(tmp_path)
    options = {**OPTIONS, "network_d_y": CRITIC}  # a spectral norm moves with each pass, of which there are more now
    switches = {"gradient_accumulation_steps": 2, "joint_batches": True, "gradient_checkpointing": "block"}
    switched = {**options, "train": {**options["train"], **switches, "clip_grad_norm": 100}}
    found = logged(train_with_two_processes(tmp_path, switched).log)
    expected = logged(train_with_one_process(options, batch_size=4))
    assert len(found) == 5
    for values, others in zip(found, expected, strict=True):
        # Adam's first step is by the sign, which rounding decides where a gradient is near zero
        assert values == pytest.approx(others, rel=2e-3, abs=2e-4)
    one, other = noted(tmp_path, "sums")
    assert one == other


PAIRS = {"type": "USRDARelativisticLoss", "r1_weight": 0.1, "r2_weight": 0.1, "loss_weight": 0.01}
ON_Y_TT = {
    "hr_opt": PAIRS,
    "con_opt": {"type": "L1Loss", "loss_weight": 0.1},
    "tea_opt": {"type": "L1Loss", "loss_weight": 0.1, "perturbation": 0},  # each process draws noise of its own
}
WEIGHED = {**SIX_TERMS, "gan_opt": PAIRS, "cyc_opt": {"loss_weight": 1, "weighted_by": "d_t"}}


@pytest.mark.parametrize(
    ("terms", "parts"),
    [({**WEIGHED, **ON_Y_TT}, 2), ({"rec_opt": {"loss_weight": 1}, **ON_Y_TT}, 1)],
    ids=["with the six terms", "with G_t idle"],
)
def test_extensions_train_in_two_processes_as_in_one(
    terms: Options, parts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(tmp_path)
    monkeypatch.chdir(tmp_path)
    train = {key: value for key, value in OPTIONS["train"].items() if key not in SIX_TERMS} | deepcopy(terms)
    options = {**OPTIONS, "network_d_y": CRITIC, "network_d_h": {**CRITIC, "view": "luma_high"}, "train": train}
    accumulated = {**options, "train": {**train, "gradient_accumulation_steps": parts}}
    found = logged(train_with_two_processes(tmp_path, accumulated).log)
    expected = logged(train_with_one_process(options, batch_size=4))
    assert {"l_g_hr", "l_g_con", "l_g_tea", "l_d_h"} <= set(found[-1])
    for values, others in zip(found, expected, strict=True):
        # in pairs a critic's last bias cancels, so rounding alone moves it, and all answers with it
        losses = {name: value for name, value in others.items() if not name.startswith("out_")}
        assert {name: values[name] for name in losses} == pytest.approx(losses, rel=2e-3, abs=2e-4)
    one, other = noted(tmp_path, "sums")
    assert one == other


def test_a_run_of_two_processes_resumes(trained: Run, tmp_path: Path) -> None:
    place = Path(shutil.copytree(trained.place, tmp_path / "again"))
    flags = ["--auto_resume", "--force_yml", "train:total_iter=7", "logger:use_tb_logger=false"]
    resumed = train_with_two_processes(place, OPTIONS, *flags)
    assert re.search(r"Resuming training from epoch: \d+, iter: 5\.", resumed.log)
    assert re.findall(r"iter: +(\d+), lr", resumed.log) == ["6", "7"]
    one, other = noted(place, "sums")
    assert len(one) == 7
    assert one == other


def test_parts_of_the_network_that_no_term_asks_are_not_waited_for(tmp_path: Path) -> None:
    furnish(tmp_path)
    train = {key: value for key, value in OPTIONS["train"].items() if not key.endswith("_opt")}
    train |= {key: OPTIONS["train"][key] for key in ("pixel_opt", "gan_opt", "rec_opt")}
    unasked = ("network_d_f", "network_d_t")
    options = {key: value for key, value in OPTIONS.items() if key not in unasked} | {"train": train}
    losses = logged(train_with_two_processes(tmp_path, options).log)
    assert len(losses) == 5
    assert set(losses[-1]) >= {"l_g_rec_pix", "l_g_rec_gan", "l_g_total", "l_d_y"}
    one, other = noted(tmp_path, "sums")
    assert one == other

"""BasicSR's own models train, resume and test through ``basicsr`` on the CPU."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from usrda_plugin.cli.basicsr import main

OptionFile = Callable[..., Path]

DEGRADATION: dict[str, Any] = {
    "resize_prob": [0.2, 0.7, 0.1],
    "resize_range": [0.5, 1.5],
    "gaussian_noise_prob": 0.5,
    "noise_range": [1, 30],
    "poisson_scale_range": [0.05, 3],
    "gray_noise_prob": 0.4,
    "jpeg_range": [30, 95],
    "second_blur_prob": 0.8,
    "resize_prob2": [0.3, 0.4, 0.3],
    "resize_range2": [0.5, 1.2],
    "gaussian_noise_prob2": 0.5,
    "noise_range2": [1, 25],
    "poisson_scale_range2": [0.05, 2.5],
    "gray_noise_prob2": 0.4,
    "jpeg_range2": [30, 95],
    "gt_size": 32,
    "queue_size": 4,
    "l1_gt_usm": True,
    "percep_gt_usm": True,
    "gan_gt_usm": False,
}
KERNELS: dict[str, Any] = {
    f"{key}{stage}": value
    for stage in ("", "2")
    for key, value in {
        "blur_kernel_size": 21,
        "kernel_list": ["iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso"],
        "kernel_prob": [0.45, 0.25, 0.12, 0.03, 0.12, 0.03],
        "sinc_prob": 0.1,
        "blur_sigma": [0.2, 3],
        "betag_range": [0.5, 4],
        "betap_range": [1, 2],
    }.items()
}
ADVERSARIAL: dict[str, Any] = {
    "optim_d": {"type": "Adam", "lr": 1e-3, "weight_decay": 0, "betas": [0.9, 0.99]},
    "gan_opt": {
        "type": "GANLoss",
        "gan_type": "vanilla",
        "real_label_val": 1.0,
        "fake_label_val": 0.0,
        "loss_weight": 0.1,
    },
    "net_d_iters": 1,
    "net_d_init_iters": 0,
}
CRITIC: dict[str, Any] = {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4}
SYNTHESIS: dict[str, Any] = {
    "name": "synthesis",
    "type": "RealESRGANDataset",
    "dataroot_gt": "hr",
    "meta_info": "hr.txt",
    "io_backend": {"type": "disk"},
    **KERNELS,
    "final_sinc_prob": 0.8,
    "gt_size": 32,
    "use_hflip": True,
    "use_rot": False,
    "num_worker_per_gpu": 0,
    "batch_size_per_gpu": 1,
    "dataset_enlarge_ratio": 4,
    "prefetch_mode": "cpu",
}

SINGLE: dict[str, Any] = {
    "name": "set",
    "type": "SingleImageDataset",
    "dataroot_lq": "lr",
    "io_backend": {"type": "disk"},
}

BASELINES: dict[str, dict[str, Any]] = {
    "SRModel": {},
    "ESRGANModel": {"model_type": "ESRGANModel", "network_d": CRITIC, "train": ADVERSARIAL},
    "RealESRNetModel": {
        "model_type": "RealESRNetModel",
        "gt_usm": True,
        **DEGRADATION,
        "datasets": {"train": SYNTHESIS},
    },
    "RealESRGANModel": {
        "model_type": "RealESRGANModel",
        **DEGRADATION,
        "network_d": CRITIC,
        "train": ADVERSARIAL,
        "datasets": {"train": SYNTHESIS},
    },
}

# validation images are smaller than NIQE's blocks: nan and a warning instead of the end of the run


@pytest.mark.parametrize(
    "model",
    # train_realesrgan.yml is trained for a moment in tests/options
    [pytest.param(model, marks=pytest.mark.slow if model.startswith("RealESR") else ()) for model in BASELINES],
)
def test_basicsrs_own_model_trains_eight_iterations(model: str, option_file: OptionFile, workshop: Path) -> None:
    assert main(["train", "-opt", str(option_file(**BASELINES[model]))]) == 0
    run = workshop / "experiments" / "tiny"
    assert torch.load(run / "training_states" / "8.state", weights_only=True)["iter"] == 8
    first, last = (torch.load(run / "models" / f"net_g_{name}.pth", weights_only=True) for name in ("4", "latest"))
    assert set(last) == {"params", "params_ema"}
    moved = [not torch.equal(first["params"][name], last["params"][name]) for name in last["params"]]
    assert any(moved)
    assert all(value.isfinite().all() for value in last["params"].values())
    log = next(run.glob("train_tiny_*.log")).read_text()
    assert len(re.findall(r"iter: +\d+, lr", log)) == 8
    assert "# niqe: nan" in log
    assert re.search(r"# psnr: \d+\.\d+", log)


def test_a_run_resumes_where_it_stopped(option_file: OptionFile, workshop: Path) -> None:
    file = option_file()
    assert main(["train", "-opt", str(file), "--force_yml", "train:total_iter=4"]) == 0
    assert main(["train", "-opt", str(file), "--auto_resume"]) == 0
    run = workshop / "experiments" / "tiny"
    logs = sorted(run.glob("train_tiny_*.log"), key=lambda log: log.stat().st_mtime_ns)
    assert "Resuming training from epoch: 0, iter: 4." in logs[-1].read_text()
    assert (run / "models" / "net_g_8.pth").is_file()
    assert [path.name for path in (workshop / "experiments").iterdir()] == ["tiny"], "nothing was archived"


@pytest.mark.slow
@pytest.mark.parametrize("model", ["RealESRNetModel", "RealESRGANModel"])
def test_a_run_of_real_esrgan_goes_on_with_its_pool_of_pairs(
    model: str, option_file: OptionFile, workshop: Path
) -> None:
    file = option_file(**BASELINES[model])
    alone = ["--force_yml", "datasets:train:prefetch_mode=null"]  # a thread would draw ahead
    assert main(["train", "-opt", str(file), *alone]) == 0
    run = workshop / "experiments" / "tiny"
    whole = run.rename(workshop / "whole")
    assert main(["train", "-opt", str(file), *alone, "train:total_iter=4"]) == 0
    pool = torch.load(run / "training_states/4.more", weights_only=True)["pool"][0]
    assert pool["lr"].dtype == torch.uint8
    assert len(pool["gt"]) == len(pool["lr"]) == 4
    assert main(["train", "-opt", str(file), *alone, "--auto_resume"]) == 0
    networks = [torch.load(folder / "models/net_g_8.pth", weights_only=True) for folder in (whole, run)]
    expected, found = (network["params"] for network in networks)
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert main(["train", "-opt", str(file), *alone, "queue_size=8", "train:total_iter=9", "--auto_resume"]) == 0
    logs = [log.read_text() for log in run.glob("train_tiny_*.log")]
    assert sum("The pool of training pairs begins anew" in log for log in logs) == 1


def test_the_saved_options_are_plain_and_run_again(option_file: OptionFile, workshop: Path) -> None:
    base = option_file()
    child = base.with_name("child.yml")
    child.write_text("_base_: tiny.yml\nname: child\ntrain: {total_iter: 2}\n")
    assert main(["train", "-opt", str(child), "--force_yml", "train:optim_g:lr=5e-4"]) == 0
    saved = workshop / "experiments" / "child" / "child.yml"
    options = yaml.safe_load(saved.read_text())
    assert "_base_" not in options
    assert options["train"]["optim_g"]["lr"] == 5e-4
    assert options["network_g"]["num_feat"] == 8
    assert options["train"]["total_iter"] == 2
    again = workshop / "again.yml"
    again.write_text(saved.read_text())
    assert main(["train", "-opt", str(again)]) == 0


def test_a_trained_network_is_tested(option_file: OptionFile, workshop: Path) -> None:
    file = option_file(train={"total_iter": 2})
    assert main(["train", "-opt", str(file)]) == 0
    trained = option_file(
        name="tested",
        datasets={"test": SINGLE},
        path={"pretrain_network_g": "experiments/tiny/models/net_g_latest.pth", "param_key_g": "params_ema"},
        val={"save_img": True, "suffix": None, "metrics": {"niqe": {"type": "calculate_niqe", "crop_border": 0}}},
    )
    options = yaml.safe_load(trained.read_text())
    del options["datasets"]["train"], options["datasets"]["val"], options["train"], options["logger"]
    del options["val"]["val_freq"], options["val"]["metrics"]["psnr"]
    trained.write_text(yaml.safe_dump(options))
    assert main(["test", "-opt", str(trained)]) == 0
    images = sorted(path.name for path in (workshop / "results" / "tested" / "visualization" / "set").iterdir())
    assert images == [f"{number}_tested.png" for number in range(4)]

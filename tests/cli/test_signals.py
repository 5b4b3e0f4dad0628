"""Signals without ground truth in a run of ``basicsr train``: their file, the best network, resuming, faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.cli.conftest import merged
from usrda_plugin.cli.basicsr import main
from usrda_plugin.monitoring import alarms

OptionFile = Callable[..., Path]

USRDA: dict[str, Any] = {
    "model_type": "USRDAModel",
    "network_g": {
        "type": "USRDANet", "scale": 2, "encoder": "rrdb", "num_feat": 4, "num_block": 1, "num_grow_ch": 2,
        "num_block_encoder": 1, "num_block_lr_decoder": 1,
    },
    "network_d_t": {"type": "USRDADiscriminator", "num_feat": 4, "num_down": 1, "view": "luma_high"},
    "datasets": {
        "train": {
            "name": "both", "type": "USRDADataset", "dataroot_gt": "hr", "dataroot_target": "lr", "gt_size": 32,
            "num_worker_per_gpu": 0, "batch_size_per_gpu": 2, "dataset_enlarge_ratio": 4,
        },
        "val": {
            "name": "photographs", "type": "SingleImageDataset", "dataroot_lq": "lr", "io_backend": {"type": "disk"},
        },
    },
    "train": {
        "optim_d": {"type": "Adam", "lr": 1e-3, "betas": [0.9, 0.99]},
        "rec_opt": {"loss_weight": 1},
        "sty_opt": {"type": "GANLoss", "gan_type": "lsgan", "loss_weight": 0.1},
    },
    "val": {"val_freq": 2, "metrics": {"psnr": None, "niqe": None}, "signals": {"images": 2}},
}  # fmt: skip


def iterations(run: Path) -> list[int]:
    return [json.loads(line)["iter"] for line in (run / "signals.jsonl").read_text().splitlines()]


def test_a_run_writes_its_signals_and_resumes_them(
    option_file: OptionFile, workshop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "COLLAPSE", 1000.0)  # an untrained network looks like a collapsed one
    file, run = option_file(**USRDA), workshop / "experiments" / "tiny"
    assert main(["train", "-opt", str(file), "--force_yml", "train:total_iter=6"]) == 0
    assert iterations(run) == [2, 4, 6]
    before = (run / "signals.jsonl").read_text().splitlines()
    assert main(["train", "-opt", str(file), "--auto_resume"]) == 0  # from 4
    assert iterations(run) == [2, 4, 6, 8]
    assert (run / "signals.jsonl").read_text().splitlines()[:2] == before[:2]
    assert main(["train", "-opt", str(file), "--auto_resume"]) == 0  # from 8, the end
    assert iterations(run) == [2, 4, 6, 8]
    best = json.loads((run / "best.json").read_text())
    assert best["iter"] in (2, 4, 6, 8)
    assert set(torch.load(run / "models" / "net_g_best.pth", weights_only=True)) == {"params", "params_ema", "network"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model_type": "SRModel"}, "SRModel does not measure them"),
        ({"datasets": {"train": {"dataroot_target": None}}}, "datasets: train has none"),
        ({"datasets": {"val": None}}, "there is no data set to validate on"),
        ({"val": {"signals": {"images": 1}}}, "images"),
        ({"val": {"signals": {"size": 16}}}, "size"),
        ({"val": {"signals": {"sise": 64}}}, "did you mean 'size'?"),
    ],
)
def test_what_signals_need_is_told_before_anything_is_written(
    changes: dict[str, Any], told: str, option_file: OptionFile, workshop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "-opt", str(option_file(**merged(USRDA, changes)))]) == 2
    message = capsys.readouterr().err
    assert "val: signals" in message
    assert told in message
    assert not (workshop / "experiments").exists()

"""Seeded trainings give, to the last bit, what they gave before the code was arranged anew.

With RECORD_TRAININGS=1 in the environment this test writes what it finds; do so only on a commit that is trusted, and
say in the commit why numbers change. On another kind of machine the last bits differ: there losses are compared to 1 %.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from basicsr.utils.logger import MessageLogger
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn

from tests.cli.test_train_baselines import ADVERSARIAL, DEGRADATION, SYNTHESIS
from tests.training import tiny

EXPECTED = Path(__file__).with_name("same_trainings.json")
RECORD = bool(os.environ.get("RECORD_TRAININGS"))
CPU_INFO = Path("/proc/cpuinfo")
CPU_NAME = re.search(r"model name\s*: (.*)", CPU_INFO.read_text() if CPU_INFO.exists() else "")
HERE = {
    "torch": torch.__version__,
    "instructions": torch.backends.cpu.get_cpu_capability(),
    "cpu": CPU_NAME[1] if CPU_NAME else platform.processor(),
}
SOURCE = {**tiny.OPTIONS["datasets"]["train"], "type": "USRDASourceDataset"}
SOURCE.pop("dataroot_target")
CRITIC = {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4}
RELATIVISTIC = {"type": "USRDARelativisticLoss", "loss_weight": 0.1, "r1_weight": 0.5, "r2_weight": 0.25}
LSGAN = {"type": "GANLoss", "gan_type": "lsgan", "loss_weight": 0.1}
NO_CRITICS = {"network_d_f": None, "network_d_t": None, "network_d_y": None}
NO_TERMS: dict[str, Any] = dict.fromkeys(("gan_opt", "align_opt", "res_opt", "sty_opt", "idt_opt", "cyc_opt"))
BASICSRS = {
    **NO_CRITICS,
    "network_g": {"type": "SRVGGNetCompact", "num_feat": 8, "num_conv": 1, "upscale": 2},
    "val": {"signals": None},
    "train": {**NO_TERMS, "rec_opt": None, "optim_d": None},
}


@LOSS_REGISTRY.register()
class RandomPerceptualLoss(nn.Module):
    """A perceptual distance on two random convolutions, which needs no file."""

    def __init__(self, perceptual_weight: float = 1.0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(7)
        shapes = (4, 3, 3, 3), (4, 4, 3, 3)
        self.kernels = [torch.randn(shape, generator=generator) / 4 for shape in shapes]
        self.weight = perceptual_weight

    def features(self, target: Tensor) -> Tensor:
        first, second = self.kernels
        return nn.functional.conv2d(nn.functional.conv2d(target, first).tanh(), second)

    def distance(self, image: Tensor, target_features: Tensor) -> Tensor:
        return self.weight * (self.features(image) - target_features).square().mean()


def trained(**train: Any) -> dict[str, Any]:
    return {"train": train}


RECIPES: dict[str, dict[str, Any]] = {
    "the paper's six terms": trained(perceptual_opt={"type": "RandomPerceptualLoss", "perceptual_weight": 0.01}),
    "plus": {
        "network_d_f": None,
        "network_d_y": None,
        "network_d_t": {**tiny.CRITIC, "view": "rgb_high"},
        "network_d_h": {**tiny.CRITIC, "view": "luma_high"},
        "datasets": {"train": {"degradation": "camera"}},
        "train": {
            "align_opt": None, "idt_opt": None, "gan_opt": None, "hr_opt": LSGAN,
            "con_opt": {"type": "L1Loss", "loss_weight": 0.5}, "cyc_opt": {"loss_weight": 1, "weighted_by": "d_t"},
        },
    },
    "camera": {
        **NO_CRITICS,
        "datasets": {"train": {"degradation": "camera"}},
        "val": {"signals": {"select": False}},
        "train": {**NO_TERMS, "optim_d": None},
    },
    "relativistic": trained(gan_opt=RELATIVISTIC, sty_opt=RELATIVISTIC),
    "accumulated, clipped, norms logged": trained(
        gradient_accumulation_steps=2, clip_grad_norm=0.1, log_grad_norm=True
    ),
    "phases": trained(psnr_iter=5, net_d_init_iters=4, net_d_iters=2),
    "a teacher": {
        "network_g": {**tiny.OPTIONS["network_g"], "encoder": "trunk", "noise_ch": 2},
        "train": {
            "tea_opt": {"type": "L1Loss", "loss_weight": 0.5, "perturbation": 0.05},
            "joint_batches": True, "gradient_checkpointing": True,
        },
    },
    "half precision": trained(amp="bf16"),
    "SRModel": {**BASICSRS, "model_type": "SRModel", "datasets": {"train": SOURCE}},
    "ESRGANModel": {
        **BASICSRS,
        "model_type": "ESRGANModel",
        "datasets": {"train": SOURCE},
        "network_d": CRITIC,
        "train": {**BASICSRS["train"], **ADVERSARIAL},
    },
    "RealESRGANModel": {
        **BASICSRS,
        **DEGRADATION,
        "model_type": "RealESRGANModel",
        "datasets": {"train": {**SYNTHESIS, "meta_info": "hr.txt"}},
        "network_d": CRITIC,
        "train": {**BASICSRS["train"], **ADVERSARIAL},
    },
}  # fmt: skip

FAST = ("the paper's six terms", "camera", "SRModel")


def outcome(recipe: str, folder: Path) -> dict[str, Any]:
    """Train for 20 iterations; the losses of each, and the SHA-256 of losses and of all that was saved."""
    tiny.images(folder)
    (folder / "hr.txt").write_text("".join(f"{number}.png\n" for number in range(11)))
    losses: list[dict[str, float]] = []
    log = MessageLogger.__call__

    def listen(self: MessageLogger, log_vars: dict[str, Any]) -> None:
        losses.append({name: value for name, value in log_vars.items() if name.startswith(("l_", "out_", "grad_"))})
        log(self, log_vars)

    changes = tiny.merged(RECIPES[recipe], {"train": {"total_iter": 20}, "val": {"val_freq": 10}})
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        patched.setattr(MessageLogger, "__call__", listen)
        run = tiny.train(folder, {**changes, "logger": {"save_checkpoint_freq": 20}})
    digest = hashlib.sha256(json.dumps(losses).encode())
    for place, value in sorted(weights(run).items()):
        digest.update(f"{place} {tuple(value.shape)}".encode() + value.contiguous().numpy().tobytes())
    return {"sha256": digest.hexdigest(), "losses": losses[-1]}


def weights(run: Path) -> dict[str, Tensor]:
    """All that the networks of the last checkpoint hold, by file and name."""
    return {
        f"{file.name} {version} {name}": value
        for file in run.glob("models/net_*_20.pth")
        for version, networks in torch.load(file, weights_only=True).items()
        if version in ("params", "params_ema")
        for name, value in networks.items()
    }


@pytest.mark.parametrize(
    "recipe", [pytest.param(recipe, marks=() if recipe in FAST else pytest.mark.slow) for recipe in RECIPES]
)
def test_a_seeded_training_is_the_same_to_the_last_bit(recipe: str, tmp_path: Path) -> None:
    found = outcome(recipe, tmp_path)
    if RECORD:
        record(recipe, found)
    expected = json.loads(EXPECTED.read_text())
    recorded = expected["trainings"][recipe]
    assert list(found["losses"]) == list(recorded["losses"])
    assert found["losses"] == pytest.approx(recorded["losses"], rel=1e-2, abs=1e-3)
    if expected["made_on"] == HERE:
        assert found["sha256"] == recorded["sha256"]


def record(recipe: str, found: dict[str, Any]) -> None:
    known = json.loads(EXPECTED.read_text()) if EXPECTED.exists() else {}
    trainings = known["trainings"] if known.get("made_on") == HERE else {}
    EXPECTED.write_text(json.dumps({"made_on": HERE, "trainings": {**trainings, recipe: found}}, indent=1) + "\n")

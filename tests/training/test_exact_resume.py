"""A run that was killed and goes on ends as one that was never stopped: every bit of what it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.training import tiny
from tests.usrda_options import SIX_TERMS
from usrda_plugin.cli.usrda import main
from usrda_plugin.data import unpaired


def check(here: Path, monkeypatch: pytest.MonkeyPatch, changes: Any, *kills: int) -> Path:
    """Compare a run killed at these iterations with one that was not."""
    whole = tiny.train(here, changes).rename(here / "whole")
    for number, kill in enumerate(kills):
        tiny.train_killed(monkeypatch, kill, here, changes, auto_resume=number > 0)
    run = tiny.train(here, changes, auto_resume=True)
    expected, found = tiny.tensors(whole), tiny.tensors(run)
    assert expected.keys() == found.keys()
    assert [place for place in expected if found[place] != expected[place]] == []
    assert tiny.logged(run) == tiny.logged(whole)
    assert tiny.leftovers(run) == []
    return run


# epochs have five iterations. At the end of one, at a beginning, before anything was saved, again and again
MORE_KILLS = [(10,), (6,), (2,), (5, 8, 12)]


@pytest.mark.parametrize("kills", [(8,), *(pytest.param(kills, marks=pytest.mark.slow) for kills in MORE_KILLS)])
def test_killed_anywhere_a_run_ends_as_if_never_stopped(
    here: Path, monkeypatch: pytest.MonkeyPatch, kills: tuple[int, ...]
) -> None:
    check(here, monkeypatch, None, *kills)


SCHEDULES = {
    "MultiStepRestartLR": {"milestones": [4, 7], "gamma": 0.5, "restarts": [6], "restart_weights": [0.5]},
    "CosineAnnealingRestartLR": {"periods": [6, 6], "restart_weights": [1, 0.5], "eta_min": 1e-6},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SCHEDULES)
def test_every_schedule_goes_on_where_it_was(here: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    check(here, monkeypatch, {"train": {"scheduler": {"type": kind, **SCHEDULES[kind]}}}, 5)


def test_samples_that_were_used_are_not_decoded_again(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, drawn = unpaired.sample_rng, []
    monkeypatch.setattr(unpaired, "sample_rng", lambda seed, number: drawn.append(number) or original(seed, number))
    tiny.train_killed(monkeypatch, 8, here)
    at_six = drawn.index(2 * 6 + 1)  # batches of two; the last sample of the epoch of eleven is never used
    del drawn[:]
    tiny.train(here, auto_resume=True)
    assert at_six > 0
    assert drawn[:4] == [13, 14, 15, 16]


WORKERS = {"datasets": {"train": {"num_worker_per_gpu": 2}}}
LMDB = {"datasets": {"train": {"dataroot_gt": "hr.lmdb", "dataroot_target": "lr.lmdb"}}}
SWITCHED = {"train": {"gradient_accumulation_steps": 2, "clip_grad_norm": 1.0, "net_d_iters": 2, "psnr_iter": 4}}


@pytest.mark.slow
@pytest.mark.parametrize("prefetch", [None, "cpu"])
@pytest.mark.parametrize("changes", [WORKERS, LMDB, {**WORKERS, **SWITCHED}])
def test_so_it_does_with_workers_and_from_an_lmdb(
    here: Path, monkeypatch: pytest.MonkeyPatch, changes: Any, prefetch: str | None
) -> None:
    for folder in ("hr", "lr"):
        assert main(["lmdb", "make", "--input", folder, "--output", f"{folder}.lmdb"]) == 0
    check(here, monkeypatch, tiny.merged({"datasets": {"train": {"prefetch_mode": prefetch}}}, changes), 8)


PAIRED = {"type": "PairedImageDataset", "name": "pairs", "dataroot_gt": "val_hr", "dataroot_lq": "val_lr",
          "io_backend": {"type": "disk"}, "gt_size": 16, "use_hflip": True, "use_rot": True, "num_worker_per_gpu": 0,
          "batch_size_per_gpu": 1, "dataset_enlarge_ratio": 5}  # fmt: skip
THEIRS: dict[str, Any] = {
    "datasets": {"train": PAIRED},
    "network_g": {"type": "SRVGGNetCompact", "num_feat": 4, "num_conv": 1, "upscale": 2},
    **dict.fromkeys(("network_d_f", "network_d_t", "network_d_y")),
    "train": dict.fromkeys(name for name in SIX_TERMS if name != "gan_opt"),
    "val": {"signals": None},
}
SR = tiny.merged({"model_type": "SRModel", **THEIRS}, {"train": {"gan_opt": None, "optim_d": None}})
GAN = {
    "model_type": "ESRGANModel",
    **THEIRS,
    "network_d": {"type": "UNetDiscriminatorSN", "num_in_ch": 3, "num_feat": 4},
    "train": {**THEIRS["train"], "gan_opt": {"type": "GANLoss", "gan_type": "vanilla", "loss_weight": 0.1}},
}


@pytest.mark.slow
@pytest.mark.parametrize("changes", [SR, GAN], ids=["SRModel", "ESRGANModel"])
def test_so_do_basicsrs_own_models_with_its_own_data_set_in_one_process(
    here: Path, monkeypatch: pytest.MonkeyPatch, changes: Any
) -> None:
    check(here, monkeypatch, changes, 8)

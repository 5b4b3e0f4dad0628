"""A run of ``basicsr train`` whose numbers go wrong ends with a message, exit code 1 and what it had saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from basicsr.models.sr_model import SRModel

from tests.cli.test_signals import USRDA
from tests.cli.test_train_baselines import BASELINES
from usrda_plugin.cli.basicsr import main


def test_a_training_that_diverges_ends_with_1_advice_and_what_was_saved(
    option_file: Callable[..., Path], workshop: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file, run = option_file(**USRDA), workshop / "experiments" / "tiny"
    changes = ["train:optim_g:lr=1e+30", "train:max_skipped_steps=3", "logger:save_checkpoint_freq=1", "val=null"]
    changes += ["datasets:val=null"]
    assert main(["train", "-opt", str(file), "--force_yml", *changes]) == 1
    said = capfd.readouterr().err
    assert "Traceback" not in said
    told = said[said.index("basicsr: training stopped: the generator's step was skipped 3 times in a row") :]
    assert "since iteration 2" in told
    assert "a lower learning rate (optim_g: lr, now 1e+30)" in told
    last = max(int(state.stem) for state in (run / "training_states").glob("*.state"))
    assert f"The last saved set is whole: iteration {last}" in told
    weights = torch.load(run / "models" / f"net_g_{last}.pth", weights_only=True)
    assert all(value.isfinite().all() for kind in ("params", "params_ema") for value in weights[kind].values())
    log = next(run.glob("train_*.log")).read_text()
    assert "WARNING: Iteration 2: the generator's step was skipped" in log
    assert "Skipped in a row: 3" in log


@pytest.mark.parametrize("model", ["SRModel", "ESRGANModel", "RealESRGANModel"])
def test_so_does_a_training_of_basicsrs_own_models(
    model: str, option_file: Callable[..., Path], workshop: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file, run = option_file(**BASELINES[model]), workshop / "experiments" / "tiny"
    changes = ["train:optim_g:lr=1e+30", "train:max_skipped_steps=3", "logger:save_checkpoint_freq=1", "val=null"]
    changes += ["datasets:val=null"]
    assert main(["train", "-opt", str(file), "--force_yml", *changes]) == 1
    said = capfd.readouterr().err
    assert "Traceback" not in said
    told = said[said.index("basicsr: training stopped: the generator's step was skipped 3 times in a row") :]
    assert "since iteration 2" in told
    assert "a lower learning rate (optim_g: lr, now 1e+30)" in told
    last = max(int(state.stem) for state in (run / "training_states").glob("*.state"))
    assert f"The last saved set is whole: iteration {last}" in told
    assert not (run / "models/net_g_latest.pth").exists()
    for file in (run / "models").glob("*.pth"):
        weights = torch.load(file, weights_only=True)
        assert all(value.isfinite().all() for kind in weights.values() for value in kind.values())
    assert torch.load(run / f"training_states/{last}.more", weights_only=True)["skipped"]["g"] == last - 1
    log = next(run.glob("train_*.log")).read_text()
    assert "WARNING: Iteration 2: the generator's step was skipped" in log


def test_a_training_that_is_too_short_to_stop_does_not_end_well_either(
    option_file: Callable[..., Path], workshop: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    changes = ["train:optim_g:lr=1e+30", "val=null", "datasets:val=null"]
    assert main(["train", "-opt", str(option_file()), "--force_yml", *changes]) == 1
    assert "the generator's step was skipped 7 times in a row, since iteration 2" in capfd.readouterr().err
    assert not (workshop / "experiments/tiny/models/net_g_latest.pth").exists()


def test_the_checkpoint_before_a_row_of_skipped_steps_is_kept(
    option_file: Callable[..., Path], workshop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = SRModel.feed_data

    def feed_data(self: SRModel, data: dict[str, torch.Tensor]) -> None:
        feed(self, data)
        if self.optimize_parameters.__self__.guard.current_iter >= 3:
            self.gt = self.gt * float("nan")

    monkeypatch.setattr(SRModel, "feed_data", feed_data)
    changes = ["train:max_skipped_steps=5", "logger:save_checkpoint_freq=1", "logger:keep_last=2"]
    changes += ["val=null", "datasets:val=null"]
    assert main(["train", "-opt", str(option_file()), "--force_yml", *changes]) == 1
    states = (workshop / "experiments/tiny/training_states").glob("*.state")
    assert {state.stem for state in states} == {"2", "6", "7"}


def test_a_learning_rate_that_float32_cannot_hold_is_named(
    option_file: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "-opt", str(option_file()), "--force_yml", "train:optim_g:lr=1e+39"]) == 2
    assert "train: optim_g: lr" in capfd.readouterr().err.replace(":", ": ").replace("  ", " ")

"""A run of ``basicsr train`` whose numbers go wrong ends with a message, exit code 1 and what it had saved."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.cli.test_signals import USRDA
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

"""The soak in short: a few kills of each training, and a comparison that notices what is not the same."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("skimage")


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    yield import_module("soak")
    sys.modules.pop("soak", None)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["demo", "esrgan"])
def test_killed_a_few_times_a_training_ends_the_same(
    recipe: str, soak: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert soak.main(["--recipe", recipe, "--kills", "4", "--iterations", "60"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    kills = r"4 kills survived \(1 (in|beside) a save, 1 in the start, 2 in the training\)"
    assert re.search(rf"{kills}, 60 iterations: identical", told)


def test_a_bit_a_loss_and_a_leftover_are_noticed(soak: Any, tmp_path: Path) -> None:
    for place in ("whole", "killed"):
        models = tmp_path / place / "experiments" / soak.NAME / "models"
        models.mkdir(parents=True)
        value = torch.ones(3)
        value.view(torch.int32)[1] += place == "killed"  # the last bit of one number
        torch.save({"params": {"weight": value}}, models / "net_g_5.pth")
        line = "iter:  {}, lr:(1e-4,)] [eta: 0:00:0{}, time] l_pix: {}\n"
        log = line.format(5, 1, 0.5) + line.format(10, 2, 0.25 if place == "killed" else 0.5)
        (tmp_path / place / "screen.log").write_text(log)
    (tmp_path / "killed/experiments" / soak.NAME / "models/.net_g_10.pth.unfinished").touch()
    found = soak.differences(*(soak.left_by(tmp_path / place) for place in ("whole", "killed")))
    assert [line.split(" ")[0] for line in found] == [
        "models/net_g_5.pth:",
        "models/.net_g_10.pth.unfinished:",
        "losses",
        "left",
    ]
    assert soak.differences(*[soak.left_by(tmp_path / "whole")] * 2) == []

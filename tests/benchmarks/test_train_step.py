"""The step's benchmark compares steps that compute the same, and says so where they do not."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from usrda_plugin.models.stepping import OptimizerStepper

TINY = ["--device", "cpu", "--network", "tiny", "--batch", "2", "--patch", "32"]


@pytest.fixture
def step(vgg_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setenv("USRDA_VGG_WEIGHTS", str(vgg_file))
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    yield import_module("train_step")
    for name in ("train_step", "textbook", "rounds"):
        sys.modules.pop(name, None)


def test_the_textbook_has_the_losses_and_gradients_of_one_pass(step: ModuleType, tmp_path: Path) -> None:
    chosen = step.build_parser().parse_args(TINY)
    ours, textbook = (step.outcome(name, chosen, str(tmp_path)) for name in ("one pass", "textbook"))
    assert {"l_g_total", "l_g_idt", "l_d_y", "gradient of lr_decoder", "gradient of d_f"} <= ours.keys()
    assert step.distance(ours, textbook) <= 1e-5


def test_the_textbook_calls_the_networks_seventeen_times_and_one_pass_seven(step: ModuleType, tmp_path: Path) -> None:
    model = step.make_model(step.build_parser().parse_args(TINY), str(tmp_path), {})
    called: list[str] = []
    for name, network in model.net_g.named_children():
        network.register_forward_hook(lambda *_, name=name: called.append(name))
    step.textbook_step(model)
    assert {name: called.count(name) for name in set(called)} == {"encoder": 7, "sr_decoder": 4, "lr_decoder": 6}
    called.clear()
    model.optimize_parameters(1)
    assert len(called) == 7
    called.clear()
    step.floor_step(model)
    assert len(called) == 7


def test_a_candidate_that_computes_something_else_is_named(step: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = step.build_parser().parse_args(TINY)
    monkeypatch.setattr(step, "SAME", {"textbook": 1e-5, "joint_batches": 1e-5})
    assert step.disagreements(chosen) == []
    monkeypatch.setitem(step.SWITCHES, "joint_batches", {"res_opt": {"type": "L1Loss", "loss_weight": 1.1}})
    [line] = step.disagreements(chosen)
    assert line.startswith("joint_batches: differs from one pass by")


def test_critics_trained_by_another_scale_are_noticed(step: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = step.build_parser().parse_args(TINY)
    monkeypatch.setattr(step, "SAME", {"textbook": 1e-5})
    backward = OptimizerStepper.backward
    monkeypatch.setattr(
        OptimizerStepper, "backward", lambda self, loss: backward(self, 1000 * loss)
    )  # Adam would hide it
    [line] = step.disagreements(chosen)
    assert line.startswith("textbook: differs")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_every_candidate_runs_and_agrees(step: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "figures.json"
    assert step.main(["--tiny", "--device", "cpu", "--threads", "1", "--json", str(file)]) == 0
    assert "all candidates agree" in capsys.readouterr().out
    figures = json.loads(file.read_text())
    assert figures["macs"]["textbook"] > 2 * figures["macs"]["one pass"]
    for name in ("textbook_over_one_pass", "one_pass_over_floor", "textbook_over_all_switches"):
        assert figures[name] > 0

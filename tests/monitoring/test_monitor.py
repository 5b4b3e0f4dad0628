"""The signals of a training: measured at each validation, without a trace in the training itself."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.monitoring.conftest import Build
from usrda_plugin.models import USRDAModel
from usrda_plugin.monitoring import alarms
from usrda_plugin.monitoring import monitor as module

ALL = {
    "niqe", "lr_consistency", "colour_drift", "grid", "d_f_accuracy", "d_t_accuracy", "domain_distance",
    "style_distance", "spectrum_gap", "noise", "target_noise",
}  # fmt: skip
NO_IMAGES: Any = type("Loader", (list,), {"dataset": type("Set", (), {"opt": {"name": "none"}})})()


class Board:
    """A TensorBoard writer that remembers."""

    def __init__(self) -> None:
        self.scalars: dict[tuple[str, int], float] = {}

    def add_scalar(self, tag: str, value: float, step: int) -> None:
        self.scalars[tag, step] = value

    def add_image(self, tag: str, picture: torch.Tensor, step: int) -> None:
        pass


@pytest.fixture
def told() -> Iterator[list[tuple[str, str]]]:
    """What BasicSR's log gets: (level, message)."""
    messages: list[tuple[str, str]] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append((record.levelname, record.getMessage()))
    logger = logging.getLogger("basicsr")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield messages
    logger.removeHandler(handler)
    logger.setLevel(level)


def train(model: USRDAModel, *iterations: int, board: Board | None = None) -> None:
    """Steps on batches that their number decides, each followed by a validation."""
    for current_iter in iterations:
        generator = torch.Generator().manual_seed(current_iter)
        sizes = {"x_s": 16, "y_s": 32, "x_t": 16}
        model.update_learning_rate(current_iter)
        model.feed_data({name: torch.rand(2, 3, size, size, generator=generator) for name, size in sizes.items()})
        model.optimize_parameters(current_iter)
        model.validation(NO_IMAGES, current_iter, board, save_img=False)


def lines(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "run" / "signals.jsonl").read_text().splitlines()]


def weights(model: USRDAModel) -> dict[str, torch.Tensor]:
    networks = {"g": model.net_g, "ema": model.net_g_ema, **model.critics}
    return {f"{name}.{key}": value.clone() for name, net in networks.items() for key, value in net.state_dict().items()}


def test_training_ends_at_the_same_bits_with_and_without_signals(build: Build) -> None:
    models, drawn = [], []
    for signals, folder in ((None, "without"), ({"images": 2}, "with")):
        models.append(build(signals, folder))
        train(models[-1], 1, 2, 3)
        drawn.append(torch.rand(2).tolist())
    assert any(key.endswith("_v") for key in weights(models[0])), "spectral norms could be moved by a look"
    without, with_signals = map(weights, models)
    assert [name for name, value in without.items() if not torch.equal(value, with_signals[name])] == []
    assert drawn[0] == drawn[1]
    assert all(network.training for network in (models[1].net_g, *models[1].critics.values()))
    assert not (Path(models[0].opt["path"]["experiments_root"]) / "signals.jsonl").exists()


def test_every_signal_is_logged_drawn_and_kept(build: Build, tmp_path: Path, told: list[tuple[str, str]]) -> None:
    board = Board()
    train(build({"images": 2, "size": 48}), 1, 2, board=board)
    assert [line["iter"] for line in lines(tmp_path)] == [1, 2]
    assert set(lines(tmp_path)[0]) == {"iter"} | ALL
    # y_tt of 96 pixels holds one of the two blocks that NIQE needs
    assert [name for name, value in lines(tmp_path)[1].items() if value is None] == ["niqe"]
    assert lines(tmp_path)[1]["target_noise"] == pytest.approx(3, rel=0.25)
    for line in lines(tmp_path):
        for name in ALL - {"niqe"}:
            assert board.scalars[f"signals/{name}", line["iter"]] == line[name]
    messages = [message for _, message in told if message.startswith("Signals @")]
    assert len(messages) == 2
    assert all(f"{name}: " in messages[1] for name in ALL)


def test_the_averaged_network_is_measured(build: Build, tmp_path: Path) -> None:
    model = build({"images": 2})
    with torch.no_grad():
        model.net_g.sr_decoder.conv_last.bias += 1
        model.net_g_ema.sr_decoder.conv_last.weight.zero_()
        model.net_g_ema.sr_decoder.conv_last.bias.fill_(0.5)
    model.validation(NO_IMAGES, 5, None, save_img=False)
    means = model.monitor.crops.x_t.mean(dim=(-2, -1))
    assert lines(tmp_path)[0]["colour_drift"] == pytest.approx((means - 0.5).abs().mean().item() * 255, rel=1e-4)


def test_critics_and_the_score_wait_for_the_end_of_the_psnr_phase(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "COLLAPSE", 1000.0)  # an untrained network looks like a collapsed one
    train(build({"images": 2}, psnr_iter=1), 1, 2)
    first, second = lines(tmp_path)
    assert set(second) - set(first) == {"d_f_accuracy", "d_t_accuracy"}
    best = json.loads((tmp_path / "run" / "best.json").read_text())
    assert (best["iter"], best["score"]) == (2, second["style_distance"])


def test_what_no_term_trains_is_not_measured(build: Build, tmp_path: Path) -> None:
    train(build({"images": 2}, res_opt=None, sty_opt=None, idt_opt=None, cyc_opt=None), 1)
    unmeasured = {"d_t_accuracy", "style_distance", "spectrum_gap", "noise", "target_noise"}
    assert set(lines(tmp_path)[0]) == {"iter"} | ALL - unmeasured
    assert not (tmp_path / "run" / "best.json").exists()


def test_that_no_network_can_be_chosen_is_told_once(build: Build, tmp_path: Path, told: list[tuple[str, str]]) -> None:
    train(build({"images": 2}, res_opt=None, sty_opt=None, idt_opt=None, cyc_opt=None), 1, 2)
    train(build({"images": 2, "select": False}, res_opt=None, sty_opt=None, idt_opt=None, cyc_opt=None), 1)
    assert len([text for _, text in told if "no net_g_best.pth" in text]) == 1


def test_several_data_sets_of_one_validation_are_one_measurement(build: Build, tmp_path: Path) -> None:
    model = build({"images": 2})
    for current_iter in (1, 1, 2):
        model.validation(NO_IMAGES, current_iter, None, save_img=False)
    assert [line["iter"] for line in lines(tmp_path)] == [1, 2]


def test_other_processes_than_the_first_measure_nothing(build: Build, tmp_path: Path) -> None:
    model = build({"images": 2}, rank=1)
    train(model, 1)
    assert model.monitor is None
    assert not (tmp_path / "run" / "signals.jsonl").exists()


def test_the_best_network_is_that_of_the_lowest_score(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gaps = iter([5.0, 1.0, 9.0, 9.0])
    monkeypatch.setattr(module, "measure", lambda *_, **__: {"style_distance": next(gaps)})
    model = build({})
    train(model, 1, 2)
    expected = weights(model)
    train(model, 3, 4)
    content = torch.load(tmp_path / "run" / "models" / "net_g_best.pth", weights_only=True)
    assert content["network"]["type"] == "USRDANet"
    for key, prefix in (("params", "g"), ("params_ema", "ema")):
        assert all(torch.equal(value, expected[f"{prefix}.{name}"]) for name, value in content[key].items())
    assert json.loads((tmp_path / "run" / "best.json").read_text()) == {
        "iter": 2, "score": 3.0, "signals": {"style_distance": 1.0},
    }  # fmt: skip
    assert list((tmp_path / "run" / "models").iterdir()) == [tmp_path / "run" / "models" / "net_g_best.pth"]


def test_no_network_is_kept_where_none_is_to_be_selected(build: Build, tmp_path: Path) -> None:
    train(build({"images": 2, "select": False}), 1)
    assert [path.name for path in (tmp_path / "run").iterdir() if "best" in path.name] == []
    assert list((tmp_path / "run" / "models").iterdir()) == []


def test_a_resumed_run_goes_on_with_history_and_record(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gaps = iter([3.0, 1.0, 0.0, 9.0, 0.0, -8.0])
    monkeypatch.setattr(module, "measure", lambda *_, **__: {"style_distance": next(gaps)})
    model = build({})
    train(model, 1, 2, 3)
    model.save_training_state(0, 2)
    resumed = build({})
    resumed.resume_training(torch.load(tmp_path / "run" / "2.state", weights_only=True))
    train(resumed, 3)
    assert [(line["iter"], line["style_distance"]) for line in lines(tmp_path)] == [(1, 3), (2, 1), (3, 9)]
    best = tmp_path / "run" / "best.json"
    record = {"iter": 3, "score": pytest.approx(4 / 3), "signals": {"style_distance": 0}}
    assert json.loads(best.read_text()) == record, "the record stands"
    train(resumed, 4)
    assert json.loads(best.read_text()) == record, "(1 + 9 + 0) / 3 is more"
    train(resumed, 5)
    assert json.loads(best.read_text())["iter"] == 5, "(9 + 0 - 8) / 3 is less"


def test_alarms_are_told_when_they_begin_and_end_and_once_alone(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: list[tuple[str, str]]
) -> None:
    drifts = iter([1.0, 5.0, 6.0, math.nan, 7.0, 7.0])
    monkeypatch.setattr(module, "measure", lambda *_, **__: {"colour_drift": next(drifts)})
    model = build({"select": False})
    train(model, 1, 2, 3, 4, 5)
    warnings = [message for level, message in told if level == "WARNING"]
    assert [message.partition(":")[0] for message in warnings] == [
        "Alarm colour_drifting", "Alarm colour_drifting is over", "Alarm colour_drifting",
    ]  # fmt: skip
    model.monitor.begin(5)
    told.clear()
    train(model, 6)
    assert [message for level, message in told if level == "WARNING"] == [], "it rang before the run was resumed"


def test_the_device_is_waited_for_once(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build({"images": 2, "select": False})
    model.validation(NO_IMAGES, 1, None, save_img=False)  # what is made once is made
    waits: list[str] = []
    for wait in ("item", "tolist", "cpu", "numpy", "__float__", "__bool__", "__int__", "nonzero"):
        original = getattr(torch.Tensor, wait)
        monkeypatch.setattr(torch.Tensor, wait, lambda *args, w=wait, f=original: (waits.append(w), f(*args))[1])
    model.validation(NO_IMAGES, 2, None, save_img=False)
    assert waits == ["tolist"]

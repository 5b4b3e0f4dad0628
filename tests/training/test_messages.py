"""What TensorBoard gets beside BasicSR's losses: learning rates of every optimizer, and speed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from basicsr.utils.logger import MessageLogger
from torch.optim import SGD

from usrda_plugin.training.display import Display
from usrda_plugin.training.messages import learning_rates, message_logger, speeds


def model(**optimizers: Any) -> Any:
    return SimpleNamespace(**optimizers, optimizers=[*optimizers.values()])


def optimizer(*rates: float) -> SGD:
    return SGD([{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in rates])


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """All that is in TensorBoard's files of a folder."""
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reading.EventAccumulator(str(folder), size_guidance={reading.SCALARS: 0})
    events.Reload()
    return {tag: [(each.step, each.value) for each in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_rates_and_speed_stand_beside_the_losses(tmp_path: Path) -> None:
    boards = pytest.importorskip("torch.utils.tensorboard")
    board = boards.SummaryWriter(str(tmp_path))
    trained = model(optimizer_g=optimizer(1e-4), optimizer_d=optimizer(4e-4))
    options = {"name": "run", "logger": {"print_freq": 1, "use_tb_logger": True}, "train": {"total_iter": 100}}
    logger = message_logger(MessageLogger, Display(), lambda: trained)(options, 0, board)
    for iteration in (10, 20):
        trained.optimizer_g.param_groups[0]["lr"] = 1e-5 * iteration
        timed = {"time": 0.25, "data_time": 0.05}
        logger({"epoch": 0, "iter": iteration, "lrs": [1.0], **timed, "l_g_total": 0.5})
    board.close()
    found = scalars(tmp_path)
    assert found.keys() == {
        *("lr/g", "lr/d", "losses/l_g_total"),
        *("speed/iterations_per_second", "speed/seconds_per_iteration", "speed/data_seconds"),
    }
    assert found["lr/g"] == [(10, pytest.approx(1e-4)), (20, pytest.approx(2e-4))]
    assert found["lr/d"] == [(10, pytest.approx(4e-4)), (20, pytest.approx(4e-4))]
    assert found["speed/iterations_per_second"] == [(10, 4.0), (20, 4.0)]
    assert found["speed/seconds_per_iteration"] == [(10, 0.25), (20, 0.25)]
    assert found["speed/data_seconds"] == [(10, pytest.approx(0.05)), (20, pytest.approx(0.05))]


def test_more_groups_of_an_optimizer_have_numbers() -> None:
    found = learning_rates(SimpleNamespace(optimizer_g=(one := optimizer(1.0, 2.0)), optimizers=[one, optimizer(3.0)]))
    assert found == {"g": 1.0, "g_2": 2.0, "optimizer_2": 3.0}


def test_without_times_there_is_no_speed() -> None:
    assert speeds({"iter": 1}) == {}
    assert speeds({"time": 0.0, "data_time": 0.0}).keys() == {"speed/seconds_per_iteration", "speed/data_seconds"}


def test_without_a_board_the_line_of_the_log_is_basicsrs(capsys: pytest.CaptureFixture[str]) -> None:
    options = {"name": "run", "logger": {"print_freq": 1, "use_tb_logger": False}, "train": {"total_iter": 100}}
    logger = message_logger(MessageLogger, Display(), lambda: model(optimizer_g=optimizer(1.0)))(options, 0, None)
    values = {"epoch": 0, "iter": 10, "lrs": [1.0], "time": 0.25, "data_time": 0.05, "l_pix": 0.5}
    logger(dict(values))
    assert values.keys() == {"epoch", "iter", "lrs", "time", "data_time", "l_pix"}

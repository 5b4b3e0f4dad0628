"""What BasicSR reports of a training: the time left, and warnings of several sets."""

from __future__ import annotations

import logging
import re
from datetime import timedelta

import pytest
from basicsr.models.base_model import BaseModel
from basicsr.models.sr_model import SRModel
from basicsr.models.video_base_model import VideoBaseModel
from basicsr.train import train_pipeline
from basicsr.utils import logger as basicsr_logger
from basicsr.utils.logger import MessageLogger

from usrda_plugin.compat import logs


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        for module in (logs, basicsr_logger):
            monkeypatch.setattr(module.time, "time", lambda: self.now)


def eta(logger: MessageLogger, iteration: int, caplog: pytest.LogCaptureFixture) -> str:
    caplog.clear()
    logger({"epoch": 0, "iter": iteration, "lrs": [1e-3], "time": 2.0, "data_time": 0.1})
    found = re.search(r"eta: (.+?), time", caplog.text)
    assert found
    return found[1]


@pytest.fixture
def caplog_of_basicsr(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(basicsr_logger.get_root_logger(), "propagate", True)
    caplog.set_level(logging.INFO, "basicsr")
    return caplog


@pytest.mark.parametrize("start", [0, 40], ids=["fresh", "resumed"])
def test_the_time_left_is_that_of_the_iterations_left(
    start: int, monkeypatch: pytest.MonkeyPatch, caplog_of_basicsr: pytest.LogCaptureFixture
) -> None:
    clock, caplog = Clock(monkeypatch), caplog_of_basicsr
    options = {"name": "run", "logger": {"print_freq": 1, "use_tb_logger": False}, "train": {"total_iter": 100}}
    logger = MessageLogger(options, start)
    clock.now += 60 if start == 0 else 3  # the very first iteration is slow
    if start == 0:
        logger.reset_start_time()
        assert eta(logger, 1, caplog) == "0:03:18", "99 times what the timer has measured"
    for iteration in range(start + 2, 101):
        clock.now += 3
        assert eta(logger, iteration, caplog) == str(timedelta(seconds=3 * (100 - iteration)))
    assert eta(logger, 100, caplog) == "0:00:00"


@pytest.mark.parametrize(("kind", "warns"), [(SRModel, False), (VideoBaseModel, True), (BaseModel, True)])
def test_several_sets_are_warned_of_where_the_model_does_not_take_them(
    kind: type, warns: bool, monkeypatch: pytest.MonkeyPatch, caplog_of_basicsr: pytest.LogCaptureFixture
) -> None:
    build_model = logs._and_warn_truly(lambda opt: object.__new__(kind))
    logger = logging.getLogger("basicsr")
    monkeypatch.setattr(logger, "filters", [])
    build_model({})
    logger.warning(logs.UNTRUE)
    logger.warning("Another warning.")
    assert (logs.UNTRUE in caplog_of_basicsr.text) is warns
    assert "Another warning." in caplog_of_basicsr.text


def test_the_warning_that_is_left_out_is_basicsrs() -> None:
    assert logs.mentions(train_pipeline, logs.UNTRUE)

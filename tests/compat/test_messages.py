"""What BasicSR tells of a training: the time left, several sets, and the number of the last validation."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from basicsr.models.base_model import BaseModel
from basicsr.models.sr_model import SRModel
from basicsr.models.video_base_model import VideoBaseModel
from basicsr.utils import logger as basicsr_logger
from basicsr.utils.logger import MessageLogger

from usrda_plugin.compat import messages, validation


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        for module in (messages, basicsr_logger):
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
    build_model = messages._and_warn_truly(lambda opt: object.__new__(kind))
    logger = logging.getLogger("basicsr")
    monkeypatch.setattr(logger, "filters", [])
    build_model({})
    logger.warning(messages.UNTRUE)
    logger.warning("Another warning.")
    assert (messages.UNTRUE in caplog_of_basicsr.text) is warns
    assert "Another warning." in caplog_of_basicsr.text


def test_the_warning_that_is_left_out_is_basicsrs() -> None:
    assert messages.mentions(import_module("basicsr.train").train_pipeline, messages.UNTRUE)


class Loader:
    def __init__(self, name: str) -> None:
        self.dataset = type("Set", (), {"opt": {"name": name}})()


def model_of(kind: type, **opt: Any) -> Any:
    model = object.__new__(kind)
    model.opt = {"is_train": True, "dist": False, "rank": 0, "train": {"total_iter": 8}, **opt}
    return model


class Recording(SRModel):
    def nondist_validation(self, dataloader: Any, current_iter: Any, tb_logger: Any, save_img: bool) -> None:
        vars(self).setdefault("done", []).append((dataloader.dataset.opt["name"], current_iter, self.opt["dist"]))


def test_the_validation_after_training_has_the_last_iterations_number_and_is_done_once() -> None:
    model = model_of(Recording)
    one, two = Loader("one"), Loader("two")
    for loader, number in ((one, 4), (one, 8), (one, 10), (two, 10), (two, 10), (one, 8)):
        model.validation(loader, number, None, save_img=False)
    # what the loop itself asks for is done, however often
    assert [call[:2] for call in model.done] == [("one", 4), ("one", 8), ("two", 8), ("one", 8)]
    testing = model_of(Recording, is_train=False)
    for _ in range(2):
        testing.validation(one, "run", None, save_img=False)
    assert [call[:2] for call in testing.done] == [("one", "run")] * 2


def test_of_several_processes_a_model_with_its_own_way_validates_in_the_first_alone() -> None:
    first, second = (model_of(Recording, dist=True, rank=rank) for rank in range(2))
    for model in (first, second):
        model.validation(Loader("one"), 4, None, save_img=False)
        assert model.opt["dist"] is True
    assert first.done == [("one", 4, False)], "so that it waits for no other"
    assert not hasattr(second, "done")


def test_models_that_share_the_images_are_those_that_validate_in_our_way() -> None:
    models = import_module("usrda_plugin.models")
    realesrgan = import_module("basicsr.models.realesrgan_model").RealESRGANModel
    for kind in (SRModel, realesrgan, models.USRDAModel):
        assert kind.nondist_validation.__module__ in validation.SHARING
    assert Recording.nondist_validation.__module__ not in validation.SHARING

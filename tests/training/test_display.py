"""The live area: where there is one, what scrolls above it, how it ends; and that forked processes leave it alone."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import pty
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from tests.training import tiny
from usrda_plugin.training import display as display_module
from usrda_plugin.training.display import Display, Screen, open_display

OPT: dict[str, Any] = {"name": "run", "train": {"total_iter": 100}}
LINE_UP, ERASE = "\x1b[1A", "\x1b[2K"


class Terminal(io.StringIO):
    """A terminal that shows nothing but keeps everything."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def logger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[logging.Logger]:
    """A log as BasicSR begins one: on stderr, and in a file."""
    monkeypatch.chdir(tmp_path)
    log = logging.Logger("of_a_test", logging.INFO)
    log.addHandler(logging.StreamHandler())
    log.addHandler(logging.FileHandler("train.log"))
    yield log
    log.handlers[-1].close()


@pytest.fixture
def screen(logger: logging.Logger) -> Iterator[Screen]:
    shown = Screen(Console(file=io.StringIO(), force_terminal=True, width=100, height=20, color_system=None))
    with shown:
        shown.take_over(logger, OPT)
        yield shown


def output(screen: Screen) -> str:
    """What the terminal has got since the last call."""
    file = screen.console.file
    assert isinstance(file, io.StringIO)
    text = file.getvalue()
    file.seek(0)
    file.truncate()
    return text


def test_messages_scroll_above_the_area_and_are_in_the_file(screen: Screen, logger: logging.Logger) -> None:
    assert "run: setting up   log: train.log" in output(screen)
    screen.train(1)
    assert "run: training" in output(screen)
    logger.warning("Alarm grid: SR images have a grid")
    said = output(screen)
    assert said.index(ERASE) < said.index("Alarm grid") < said.index("run: training"), "erased, printed, drawn again"
    assert "Alarm grid" in Path("train.log").read_text()


def test_a_long_message_is_not_folded(screen: Screen, logger: logging.Logger) -> None:
    logger.info("word " * 60)
    assert ("word " * 60).strip() in output(screen)


def test_what_is_logged_again_and_again_is_in_the_file_and_in_the_area_alone(
    screen: Screen, logger: logging.Logger
) -> None:
    screen.train(20)
    screen.logged({"iter": 20, "epoch": 0, "lrs": [1e-3], "time": 0.1, "data_time": 0.0, "l_g_total": 0.5}, {"g": 1e-3})
    with screen.only_in_the_log():
        logger.info("[run..][epoch: 0, iter: 20] l_g_total: 5.0e-01")
        logger.warning("a warning is seen all the same")
    screen.do("saving checkpoint 20")
    said = output(screen)
    assert "l_g_total: 5.0e-01" not in said
    assert "a warning is seen all the same" in said
    assert "losses      total 0.5" in said
    assert "l_g_total: 5.0e-01" in Path("train.log").read_text()


def test_options_and_networks_do_not_scroll_but_results_do(screen: Screen, logger: logging.Logger) -> None:
    table = "\n".join(f"line {number}" for number in range(12))
    logger.info(table)
    assert "line 5" not in output(screen)
    logger.error(table)
    assert "line 5" in output(screen)
    screen.train(1)
    logger.info(table)
    assert "line 5" in output(screen), "a validation of many metrics"
    assert Path("train.log").read_text().count("line 5") == 3


def test_an_iteration_is_drawn_a_few_times_a_second_at_most(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [50.0]  # in seconds that a float has exactly
    monkeypatch.setattr(display_module.time, "monotonic", lambda: now[0])
    screen.train(1)
    output(screen)
    drawn = 0
    for iteration in range(2, 66):
        now[0] += 1 / 64
        screen.train(iteration)
        drawn += bool(output(screen))
    assert drawn == 2, "in one second"


def test_validation_shows_its_images_its_results_and_the_alarms(screen: Screen) -> None:
    screen.train(11)
    screen.do("validating by pairs")
    assert "run: validating by pairs" in output(screen)
    screen.image("pairs", 3, 8)
    screen.do(screen.progress.doing)
    assert "run: validating by pairs, image 3 of 8" in output(screen)
    history = SimpleNamespace(measurements=[{"iter": 10, "grid": 4.0}])
    model = SimpleNamespace(
        metric_results={"psnr": 30.0},
        best_metric_results={"pairs": {"psnr": {"val": 30.5, "iter": 5}, "niqe": {"val": 1.0, "iter": -1}}},
        monitor=SimpleNamespace(history=history, alarms={"grid": "SR images have a grid. Try"}),
    )
    screen.validated("pairs", model, 10)
    said = output(screen)
    assert "validation  pairs @ 10:   psnr 30 (best 30.5 @ 5)" in said
    assert "signals     @ 10:   grid 4" in said
    assert "alarm       grid: SR images have a grid" in said
    assert history.measurements == [{"iter": 10, "grid": 4.0}], "it is read, not taken apart"


@pytest.mark.parametrize("end", [None, ValueError, KeyboardInterrupt])
def test_however_it_ends_the_area_is_gone_and_messages_come_after_it(
    logger: logging.Logger, end: type[BaseException] | None
) -> None:
    streams = sys.stdout, sys.stderr
    shown = Screen(Console(file=io.StringIO(), force_terminal=True, width=100, height=20, color_system=None))
    try:
        with shown:
            shown.take_over(logger, OPT)
            shown.train(1)
            output(shown)
            if end:
                raise end
    except (ValueError, KeyboardInterrupt):
        assert end
    assert ERASE in output(shown), "the lines are taken back"
    assert (sys.stdout, sys.stderr) == streams
    logger.info("the end")
    said = output(shown)
    assert "the end" in said
    assert ERASE not in said
    assert "run: training" not in said
    shown.train(2)
    assert output(shown) == ""


def test_a_terminal_that_is_gone_ends_the_display_and_nothing_else(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, logger: logging.Logger
) -> None:
    def gone(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(screen.console.file, "write", gone)
    screen.do("training")
    screen.train(2)
    logger.info("still in the log")
    assert "still in the log" in Path("train.log").read_text()


def test_the_cursor_is_never_hidden_as_a_killed_process_could_not_show_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with open_display() as shown:
        shown.take_over(logging.Logger("of_a_test"), OPT)
    assert "setting up" in terminal.getvalue()
    assert "\x1b[?25" not in terminal.getvalue()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_process_does_not_draw(screen: Screen, logger: logging.Logger, tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        try:
            output(screen)
            screen.do("in the child")
            logger.warning("from the child")
            (tmp_path / "drawn").write_text(output(screen))
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert (tmp_path / "drawn").read_text() == ""
    assert "from the child" in Path("train.log").read_text()
    screen.do("in the parent")
    assert "in the parent" in output(screen)


SEEN: dict[str, str] = {"TERM": "xterm", "USRDA_LIVE": "1", "RANK": "0"}


@pytest.mark.parametrize(
    ("changes", "wanted", "is_terminal", "live"),
    [
        ({}, True, True, True),
        ({}, False, True, False),
        ({}, True, False, False),
        ({"TERM": "dumb"}, True, True, False),
        ({"USRDA_LIVE": "0"}, True, True, False),
        ({"RANK": "1"}, True, True, False),
        ({"FORCE_COLOR": "1"}, True, False, False),
    ],
)
def test_there_is_a_live_area_where_somebody_looks_at_a_terminal(
    changes: dict[str, str], wanted: bool, is_terminal: bool, live: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", Terminal() if is_terminal else io.StringIO())
    for name, value in {**SEEN, **changes}.items():
        monkeypatch.setenv(name, value)
    assert type(open_display(wanted=wanted)) is (Screen if live else Display)


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")
    log = logging.Logger("of_a_test")
    log.addHandler(logging.StreamHandler())
    with open_display() as shown:
        shown.take_over(log, OPT)
        shown.train(50)
        log.warning("a warning")
    for colour in ("\x1b[33m", "\x1b[36m", "\x1b[32m"):
        assert colour not in terminal.getvalue()


def test_without_a_screen_the_log_is_as_basicsr_has_it(logger: logging.Logger) -> None:
    handlers = list(logger.handlers)
    with Display() as nothing:
        nothing.take_over(logger, OPT)
        nothing.train(1)
        with nothing.only_in_the_log():
            assert logger.handlers == handlers
    assert logger.handlers == handlers


@pytest.mark.slow
def test_on_a_real_terminal_ctrl_c_leaves_the_last_words_and_no_area(here: Path) -> None:
    tiny.option_file(
        here, {"datasets": {"train": {"dataset_enlarge_ratio": 400}}, "train": {"total_iter": 2000}, "val": None}
    )
    process, terminal = pty.fork()
    if process == 0:
        os.environ |= {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
        os.execvp(sys.executable, [sys.executable, "-m", "usrda_plugin.cli.basicsr", "train", "-opt", "tiny.yml"])
    shown = b""
    while not re.search(rb"[1-9]\d* of 2,000", shown):
        shown += os.read(terminal, 65536)
    os.write(terminal, b"\x03")
    with contextlib.suppress(OSError):  # how a terminal says that nobody is left
        while more := os.read(terminal, 65536):
            shown += more
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    said = shown.decode()
    assert "[tiny..][epoch" not in said, "the lines of print_freq are in the log's file"
    assert "(layers): Sequential" not in said
    last = said[said.rindex(ERASE) :]
    assert "stopped by SIGINT after iteration" in last
    assert "usrda upscale --weights experiments/tiny/models/net_g_latest.pth" in last.replace("\r\n", "")
    (log,) = (here / "experiments/tiny").glob("*.log")
    assert "[tiny..][epoch" in log.read_text()

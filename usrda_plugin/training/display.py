"""The screen while it trains: a live area with bar, numbers and alarms, above which the log's lines go on.

It reads what others have known already: the number of the iteration, what is logged at ``print_freq``, what a
validation has found. It never asks the device, and it draws in the thread that trains, between two iterations, at most
``EVERY`` seconds: without threads of its own it holds no lock when loader processes are forked.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from usrda_plugin.errors import is_first_process
from usrda_plugin.training.progress import Measured, Numbers, Progress, Validated, panel
from usrda_plugin.training.run_folder import from_here

EVERY = 0.5
"""Seconds between two drawings of a number that has only gone on."""
LONGEST = 7
"""Lines of a message before training begins: what is longer, options and networks, is in the log's file alone."""
SETTING_UP = "setting up"
SWITCH = "USRDA_LIVE"
_STYLES = {logging.WARNING: "yellow", logging.ERROR: "bold red", logging.CRITICAL: "bold red"}


class Display:
    """What a training tells about itself while it goes on; this one shows nothing."""

    def take_over(self, logger: logging.Logger, opt: Mapping[str, Any]) -> None:
        """Begin, once the log is there, with the run of these options."""

    def train(self, iteration: int) -> None:
        """Iteration ``iteration`` begins."""

    def do(self, what: str) -> None:
        """Something else begins."""

    def image(self, name: str, number: int, total: int) -> None:
        """Image ``number`` of ``total`` of a validation set begins."""

    def logged(self, values: Mapping[str, Any], rates: Numbers) -> None:
        """What BasicSR's MessageLogger is about to log, and the learning rates."""

    def validated(self, name: str, model: Any, iteration: int) -> None:
        """A model has been validated by the data set ``name``."""

    @contextmanager
    def only_in_the_log(self) -> Iterator[None]:
        """While open, what is logged does not scroll over the screen."""
        yield

    def close(self) -> None:
        """Leave the screen as it was; may be called again."""

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_display(*, wanted: bool = True) -> Display:
    """A screen where somebody looks at a terminal, else a display that shows nothing.

    ``TERM=dumb``, ``USRDA_LIVE=0`` and not being the first process are reasons for the second.
    """
    if not wanted or os.environ.get(SWITCH, "") in ("0", "false", "no") or not is_first_process():
        return Display()
    console = _Console(stderr=True, highlight=False, markup=False, emoji=False)
    return Screen(console) if console.is_terminal and not console.is_dumb_terminal and _is_ours() else Display()


def _is_ours() -> bool:
    """Whether stderr is a terminal itself: rich may be told so (FORCE_COLOR), but then nothing could be drawn over."""
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):  # closed
        return False


class _Console(Console):
    """A console that leaves the cursor alone: who is killed could not bring it back."""

    def show_cursor(self, show: bool = True) -> bool:
        return False


class Screen(Display):
    """A live area on a terminal.

    Args:
        console: the terminal.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self.progress = Progress(doing=SETTING_UP)
        self._live: Live | None = None
        self._drawn, self._silent, self._process = 0.0, False, os.getpid()

    # ------------------------------------------------------------------ begin and end

    def take_over(self, logger: logging.Logger, opt: Mapping[str, Any]) -> None:
        """Print the log's lines from now on, in the place of the handler that would write over the area."""
        for number, handler in enumerate(logger.handlers):
            if type(handler) is logging.StreamHandler:
                logger.handlers[number] = _Lines(self, handler)
            elif isinstance(handler, logging.FileHandler):
                self.progress.log_file = from_here(Path(handler.baseFilename))
        if self._live is None:
            self.progress.name, self.progress.total = opt["name"], int(opt["train"]["total_iter"])
            self._start()

    def _start(self) -> None:
        _current.append(self)
        self._streams = sys.stdout, sys.stderr
        self._live = Live(
            console=self.console,
            get_renderable=self._panel,
            auto_refresh=False,
            transient=True,
            redirect_stdout=sys.stdout.isatty(),  # what goes to a file or a pipe goes on to do so
            vertical_overflow="crop",
        )
        with self._drawing():
            self._live.start(refresh=True)

    def close(self) -> None:
        live, self._live = self._live, None
        if live is not None:
            _current.remove(self)
            with suppress(OSError, ValueError):  # of a terminal that is gone
                live.stop()
            sys.stdout, sys.stderr = self._streams

    def forget(self) -> None:
        """In a forked process: leave the screen to its owner."""
        if self._live is not None:
            self._live = None
            sys.stdout, sys.stderr = self._streams

    # ------------------------------------------------------------------ what is told

    def train(self, iteration: int) -> None:
        now, progress = time.monotonic(), self.progress
        progress.iteration = iteration - 1
        if now - self._drawn >= EVERY or progress.doing != "training":
            progress.doing = "training"
            progress.pace.at(now, iteration - 1)
            self._draw()

    def do(self, what: str) -> None:
        self.progress.doing = what
        self.progress.pace.pause()
        self._draw()

    def image(self, name: str, number: int, total: int) -> None:
        self.progress.doing = f"validating by {name}, image {number} of {total}"
        if time.monotonic() - self._drawn >= EVERY:
            self._draw()

    def logged(self, values: Mapping[str, Any], rates: Numbers) -> None:
        numbers = {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
        self.progress.logged, self.progress.rates = Measured(int(values["iter"]), numbers), dict(rates)

    def validated(self, name: str, model: Any, iteration: int) -> None:
        best = getattr(model, "best_metric_results", {}).get(name, {})
        known = {metric: (each["val"], each["iter"]) for metric, each in best.items() if each["iter"] != -1}
        values = dict(getattr(model, "metric_results", None) or {})
        if values:
            self.progress.validated[name] = Validated(iteration, values, known)
        monitor = getattr(model, "monitor", None)
        if monitor is not None and monitor.history is not None and monitor.history.measurements:
            measured = dict(monitor.history.measurements[-1])
            self.progress.signals = Measured(int(measured.pop("iter")), measured)
            self.progress.alarms = dict(monitor.alarms)
        self._draw()

    @contextmanager
    def only_in_the_log(self) -> Iterator[None]:
        self._silent = True
        try:
            yield
        finally:
            self._silent = False

    # ------------------------------------------------------------------ what is drawn

    def print(self, text: str, level: int) -> bool:
        """Print a message above the area; tells whether it is done, or left to the log's file on purpose."""
        if os.getpid() != self._process:
            return False
        long = self.progress.doing == SETTING_UP and text.count("\n") >= LONGEST
        if level <= logging.INFO and (self._silent or long):
            return True
        with self._drawing():
            self.console.print(Text(text.rstrip(), style=_STYLES.get(level, "")), soft_wrap=True)
        return True

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        if self._live is not None:
            with self._drawing():
                self._live.refresh()

    def _panel(self) -> Text:
        narrow = not self.console.encoding.lower().startswith("utf")
        return panel(self.progress, time.monotonic(), self.console.width, ascii_only=narrow)

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """While open, a terminal that is gone ends the display, and not the training."""
        try:
            yield
        except (OSError, ValueError):
            self.close()


class _Lines(logging.Handler):
    """The log's lines on a screen; ``plain`` wrote them before, and does again in a forked process."""

    def __init__(self, screen: Screen, plain: logging.Handler) -> None:
        super().__init__(plain.level)
        self.screen, self.plain = screen, plain
        self.setFormatter(plain.formatter)

    def emit(self, record: logging.LogRecord) -> None:
        if not self.screen.print(self.format(record), record.levelno):
            self.plain.emit(record)


_current: list[Screen] = []
"""The screen of this process, while there is one."""


def _forget_in_child() -> None:
    while _current:
        _current.pop().forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_in_child)

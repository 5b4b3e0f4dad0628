"""What a training shows of itself on a screen: numbers that are known already, and the lines that say them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import NamedTuple

from rich.text import Text

Numbers = Mapping[str, float]

RECENT = 20
"""Looks at the clock over which the speed is taken."""
LABEL = 12
"""Columns of what stands before the numbers of a group."""
LINES = 3
"""Lines of a group at most; the log has all."""
BAR = 30
NOT_A_LOSS = ("epoch", "iter", "lrs", "time", "data_time")


class Pace:
    """How fast iterations go: lately, for the speed, and from the first one on, for the time left."""

    def __init__(self) -> None:
        self._first: tuple[float, int] | None = None
        self._recent: deque[tuple[float, int]] = deque(maxlen=RECENT)

    def at(self, now: float, done: int) -> None:
        """Know that ``done`` iterations are done ``now`` (seconds of any clock)."""
        # the first look counts from there on: the iteration before it was slower than the others
        self._first = self._first or (now, done)
        self._recent.append((now, done))

    def pause(self) -> None:
        """Forget the last seconds, in which something else was done."""
        self._recent.clear()

    @property
    def per_second(self) -> float | None:
        """Iterations a second, lately; None where too little is known."""
        return _rate(self._recent[0], self._recent[-1]) if self._recent else None

    def left(self, now: float, total: int) -> float | None:
        """Seconds to the end, with validations and savings as they have been; None where too little is known."""
        if self._first is None or not self._recent:
            return None
        done = self._recent[-1][1]
        rate = _rate(self._first, (now, done))
        return (total - done) / rate if rate else None


def _rate(one: tuple[float, int], other: tuple[float, int]) -> float | None:
    seconds, iterations = other[0] - one[0], other[1] - one[1]
    return iterations / seconds if seconds > 0 and iterations > 0 else None


class Measured(NamedTuple):
    """Values of one iteration."""

    iteration: int
    values: Numbers


class Validated(NamedTuple):
    """The metrics of a data set, and of each the best value so far with its iteration, where there is one."""

    iteration: int
    values: Numbers
    best: Mapping[str, tuple[float, int]]


@dataclass
class Progress:
    """What is known of a training."""

    name: str = ""
    total: int = 0
    iteration: int = 0
    doing: str = ""
    log_file: str = ""
    logged: Measured | None = None
    rates: Numbers = field(default_factory=dict)
    validated: dict[str, Validated] = field(default_factory=dict)
    """By data set."""
    signals: Measured | None = None
    alarms: Mapping[str, str] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)


def panel(progress: Progress, now: float, width: int, *, ascii_only: bool = False) -> Text:
    """The lines of a screen of so many columns: what is done now, how far it is, and the last numbers."""
    lines = [_heading(progress), _bar(progress, now, width, ascii_only=ascii_only)]
    for name, message in progress.alarms.items():
        # its advice has scrolled by, and is in the log
        words = f"{name}: {message}".split(". ")[0].split()
        lines += _wrapped("alarm", words, width, " ", style="bold yellow")
    for label, values in _groups(progress):
        lines += _wrapped(label, values, width, "   ")
    return Text("\n", no_wrap=True, overflow="ellipsis", end="").join(lines)


def _heading(progress: Progress) -> Text:
    text = Text.assemble((progress.name, "bold"), ": ", (progress.doing, "cyan"))
    return text.append(f"   log: {progress.log_file}", "dim") if progress.log_file else text


def _bar(progress: Progress, now: float, width: int, *, ascii_only: bool) -> Text:
    done, total = progress.iteration, max(progress.total, 1)
    left, speed = progress.pace.left(now, total), progress.pace.per_second
    said = [f"{done:,} of {progress.total:,}", f"{100 * done // total} %"]
    said += [f"{timedelta(seconds=round(left))} left"] if left is not None else []
    said += [f"{speed:.3g} it/s" if speed >= 1 else f"{1 / speed:.3g} s/it"] if speed else []
    words = "   ".join(said)
    cells = max(min(BAR, width - len(words) - 3), 0)
    filled = min(cells * done // total, cells)
    full, empty = ("#", "-") if ascii_only else ("\u2501", "\u2500")
    return Text.assemble((full * filled, "green"), (empty * (cells - filled), "dim"), "   " * bool(cells), words)


def _groups(progress: Progress) -> Iterator[tuple[str, list[str]]]:
    """Each group of numbers with its label."""
    if progress.logged is not None:
        for label, numbers in grouped(progress.logged.values).items():
            yield label, _said(numbers)
    if progress.rates:
        yield "rate", [f"{name} {value:.3g}" for name, value in progress.rates.items()]
    for name, found in progress.validated.items():
        yield "validation", [f"{name} @ {found.iteration:,}:", *_with_best(found)]
    if progress.signals is not None:
        yield "signals", [f"@ {progress.signals.iteration:,}:", *_said(progress.signals.values)]


def _with_best(found: Validated) -> Iterator[str]:
    for name, value in found.values.items():
        best = found.best.get(name)
        yield f"{name} {value:.4g}" + (f" (best {best[0]:.4g} @ {best[1]:,})" if best else "")


def grouped(logged: Numbers) -> dict[str, dict[str, float]]:
    """What a model logs, in groups: the generator's losses with their total first, the critics', and the others.

    Names lose what the group says, as ``l_g_`` and ``l_``.
    """
    groups: dict[str, dict[str, float]] = {"losses": {}, "critics": {}, "others": {}}
    for name in sorted((name for name in logged if name not in NOT_A_LOSS), key=lambda name: "total" not in name):
        if name.startswith(("l_d_", "out_d_")):
            groups["critics"][name.removeprefix("l_")] = logged[name]
        elif name.startswith("l_"):
            groups["losses"][name.removeprefix("l_").removeprefix("g_")] = logged[name]
        else:
            groups["others"][name] = logged[name]
    return {label: numbers for label, numbers in groups.items() if numbers}


def _said(numbers: Numbers) -> list[str]:
    return [f"{name} {value:.4g}" for name, value in numbers.items()]


def _wrapped(label: str, words: Iterable[str], width: int, gap: str, style: str = "") -> list[Text]:
    """Words behind a label, in lines no longer than the screen is wide, none of them broken."""
    rows: list[str] = []
    for word in words:
        if rows and len(rows[-1]) + len(gap) + len(word) <= width - LABEL:
            rows[-1] += gap + word
        else:
            rows.append(word)
    if len(rows) > LINES:
        rows = [*rows[: LINES - 1], f"{rows[LINES - 1]} ..."]
    labels = [label, *[""] * (len(rows) - 1)]
    return [Text.assemble((head.ljust(LABEL), "dim"), (row, style)) for head, row in zip(labels, rows, strict=True)]

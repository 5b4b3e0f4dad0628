"""Line charts as numbers that a template draws: they take the page's colours and can be read aloud."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import isfinite, log10
from typing import NamedTuple

from matplotlib.ticker import LogLocator, MaxNLocator

WIDTH, HEIGHT = 320, 168
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 10, 30
POINTS = 240
"""Most points of a line; of more, means of neighbours are drawn."""
DECADES = 1.5
"""Values that span so many powers of ten are drawn on a logarithmic axis."""


class Series(NamedTuple):
    """A measured curve: finite values ``y`` at ``x``, which rises."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]

    @classmethod
    def of(cls, name: str, points: Iterable[tuple[float, float]]) -> Series:
        """The series of these points, without those that are not finite."""
        finite = [(x, y) for x, y in points if isfinite(x) and isfinite(y)]
        return cls(name, tuple(x for x, _ in finite), tuple(y for _, y in finite))


class Tick(NamedTuple):
    """A mark of an axis: where, in pixels, and what it says."""

    at: float
    text: str


class Line(NamedTuple):
    """A curve in pixels, as the ``d`` of a path; a single point has ``dot`` instead."""

    name: str
    path: str
    dot: tuple[float, float] | None


class Chart(NamedTuple):
    """What a template draws; ``summary`` says in words what the curves show."""

    title: str
    x_label: str
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    summary: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def line_chart(
    title: str, series: Sequence[Series], *, x_label: str, floor: float | None = None, logarithmic: bool | None = None
) -> Chart | None:
    """The chart of some curves; None where none has a value.

    ``floor``: a value that the vertical axis shows in any case. ``logarithmic``: by default where all values are
    positive and far apart.
    """
    drawn = [_thinned(each) for each in series if each.x]
    if not drawn:
        return None
    values = [y for each in drawn for y in each.y]
    is_log = _is_far_apart(values) if logarithmic is None else logarithmic
    across = _Axis([x for each in drawn for x in each.x], LEFT, WIDTH - RIGHT, is_log=False)
    up = _Axis([*values, *([floor] if floor is not None and not is_log else [])], HEIGHT - BOTTOM, TOP, is_log=is_log)
    lines = tuple(_line(each, across, up) for each in drawn)
    summary = "; ".join(_in_words(each, x_label) for each in series if each.x)
    return Chart(title, x_label, lines, across.ticks(5), up.ticks(4), summary)


def number(value: float) -> str:
    """A number as people write it: three or four digits."""
    if value == 0 or not isfinite(value):
        return "0" if value == 0 else str(value)
    if abs(value) >= 1e6 or abs(value) < 1e-3:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


class _Axis:
    """From values to pixels."""

    def __init__(self, values: Sequence[float], start: float, stop: float, *, is_log: bool) -> None:
        self.is_log, self.start, self.stop = is_log, start, stop
        low, high = min(values), max(values)
        if low == high:
            low, high = (low / 2, high * 2) if is_log else (low - (abs(low) or 1) / 2, high + (abs(high) or 1) / 2)
        self.low, self.high = low, high

    def __call__(self, value: float) -> float:
        low, high, value = (log10(each) if self.is_log else each for each in (self.low, self.high, value))
        return round(self.start + (value - low) / (high - low) * (self.stop - self.start), 1)

    def ticks(self, count: int) -> tuple[Tick, ...]:
        locator = LogLocator(numticks=count) if self.is_log else MaxNLocator(count)
        found = [float(value) for value in locator.tick_values(self.low, self.high)]
        slack = 1e-6 * (self.high - self.low)
        inside = [value for value in found if self.low - slack <= value <= self.high + slack]
        inside = inside if len(inside) > 1 else [self.low, self.high]
        return tuple(
            Tick(self(value), number(round(value, 12) or 0.0 if not self.is_log else value)) for value in inside
        )


def _line(series: Series, across: _Axis, up: _Axis) -> Line:
    points = [(across(x), up(y)) for x, y in zip(series.x, series.y, strict=True)]
    if len(points) == 1:
        return Line(series.name, "", points[0])
    return Line(series.name, "M" + "L".join(f"{x:g},{y:g}" for x, y in points), None)


def _thinned(series: Series) -> Series:
    step = -(-len(series.x) // POINTS)
    if step <= 1:
        return series
    parts = [slice(start, start + step) for start in range(0, len(series.x), step)]
    x, y = (tuple(sum(values[part]) / len(values[part]) for part in parts) for values in (series.x, series.y))
    return Series(series.name, x, y)


def _is_far_apart(values: Sequence[float]) -> bool:
    return min(values) > 0 and max(values) / min(values) > 10**DECADES


def _in_words(series: Series, x_label: str) -> str:
    first, last = (f"{number(series.y[end])} at {x_label} {number(series.x[end])}" for end in (0, -1))
    if len(series.y) == 1:
        return f"{series.name}: {first}"
    return f"{series.name}: from {first} to {last}; lowest {number(min(series.y))}, highest {number(max(series.y))}"

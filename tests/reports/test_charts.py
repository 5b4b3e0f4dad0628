"""Curves in pixels."""

from __future__ import annotations

import re
from math import inf, nan

import pytest

from usrda_plugin.reports.charts import BOTTOM, HEIGHT, LEFT, POINTS, RIGHT, TOP, WIDTH, Series, line_chart, number


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([-\d.e]+),([-\d.e]+)", path)]


def test_a_line_runs_from_corner_to_corner() -> None:
    chart = line_chart("t", [Series.of("a", [(0, 10.0), (5, 15.0), (10, 20.0)])], x_label="iteration")
    assert points(chart.lines[0].path) == [
        (LEFT, HEIGHT - BOTTOM), ((LEFT + WIDTH - RIGHT) / 2, (HEIGHT - BOTTOM + TOP) / 2), (WIDTH - RIGHT, TOP)
    ]  # fmt: skip
    assert chart.summary == "a: from 10 at iteration 0 to 20 at iteration 10; lowest 10, highest 20"


def test_ticks_stand_where_their_values_are() -> None:
    chart = line_chart("t", [Series.of("a", [(0, 0.0), (100, 40.0)])], x_label="x")
    for tick in chart.x_ticks:
        assert tick.at == pytest.approx(LEFT + float(tick.text) / 100 * (WIDTH - RIGHT - LEFT), abs=0.1)
    assert len(chart.y_ticks) >= 3


def test_powers_of_ten_are_equally_far_apart_where_values_span_many() -> None:
    chart = line_chart("t", [Series.of("a", [(0, 1.0), (1, 0.01), (2, 0.0001)])], x_label="x")
    heights = [y for _, y in points(chart.lines[0].path)]
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1], abs=0.2)


def test_what_is_not_finite_is_left_out_and_of_nothing_there_is_no_chart() -> None:
    assert Series.of("a", [(0, nan), (1, inf), (2, 3.0)]) == Series("a", (2,), (3.0,))
    assert line_chart("t", [Series.of("a", [(0, nan)])], x_label="x") is None


@pytest.mark.parametrize("value", [0.0, 5.0, -3.0])
def test_a_single_value_and_a_constant_are_drawn(value: float) -> None:
    chart = line_chart("t", [Series.of("a", [(1, value)]), Series.of("b", [(1, value), (2, value)])], x_label="x")
    assert chart.lines[0].dot is not None
    assert TOP <= chart.lines[0].dot[1] <= HEIGHT - BOTTOM
    assert len(chart.y_ticks) >= 2


def test_a_long_line_is_thinned_to_the_means_of_neighbours() -> None:
    series = Series.of("a", [(x, float(x % 2)) for x in range(100 * POINTS)])
    chart = line_chart("t", [series], x_label="x")
    drawn = points(chart.lines[0].path)
    assert len(drawn) <= POINTS
    assert len({y for _, y in drawn}) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.25, "0.25"), (1234.5, "1,234"), (1e-4, "1e-4"), (2.5e-5, "2.5e-5"), (3e7, "3e7"), (nan, "nan")],
)
def test_numbers_are_written_shortly(value: float, text: str) -> None:
    assert number(value) == text

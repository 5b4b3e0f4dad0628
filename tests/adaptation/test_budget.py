"""A budget of time as people write and say it."""

from __future__ import annotations

import pytest

from usrda_plugin.adaptation.budget import format_duration, parse_budget
from usrda_plugin.errors import SetupError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10m", 600),
        ("10min", 600),
        ("2h", 7200),
        ("90s", 90),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1H5M3S", 3903),
        ("600", 600),
        ("1.5h", 5400),
        ("0.5", 0.5),
        ("1:30:00", 5400),
        ("0:00:07", 7),
        (" 5m ", 300),
    ],
)
def test_times_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "ten", "10x", "m", "-5m", "1:30", "1:75:00", "30m1h", "1e3", "nan", "inf", "5mh", "١٠m", "1,5h", "1h30"],
)
def test_what_is_no_time_is_named_with_what_is_expected(text: str) -> None:
    with pytest.raises(SetupError, match="expected a time such as 10m") as caught:
        parse_budget(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["0", "0m", "0:00:00", "9000h"])
def test_no_time_and_more_than_a_year_are_refused(text: str) -> None:
    with pytest.raises(SetupError, match="above zero and of a year at most"):
        parse_budget(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1 second"),
        (1.2, "1 second"),
        (40, "40 seconds"),
        (58, "1 minute"),
        (89, "1 minute"),
        (540, "9 minutes"),
        (3570, "1 hour"),
        (3600, "1 hour"),
        (5400, "1 hour 30 minutes"),
        (5450, "1 hour 30 minutes"),
        (7100, "2 hours"),
        (86400, "1 day"),
        (86400 * 2 + 3600 * 5, "2 days 5 hours"),
    ],
)
def test_durations_are_said_to_the_digit_that_matters(seconds: float, text: str) -> None:
    assert format_duration(seconds) == f"about {text}"

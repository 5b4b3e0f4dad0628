"""How long a user lets a command take: read as people write it, and said as people say it."""

from __future__ import annotations

import re

from usrda_plugin.adaptation.found import counted
from usrda_plugin.errors import SetupError

_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_UNITS = re.compile(rf"(?:(?P<h>{_NUMBER})h)?(?:(?P<m>{_NUMBER})m(?:in)?)?(?:(?P<s>{_NUMBER})s)?", re.IGNORECASE)
_CLOCK = re.compile(r"(?P<h>[0-9]+):(?P<m>[0-5][0-9]):(?P<s>[0-5][0-9])")
_PLAIN = re.compile(rf"(?P<s>{_NUMBER})(?P<h>)(?P<m>)")
_SECONDS = {"h": 3600, "m": 60, "s": 1}
LONGEST = 365 * 24 * 3600
"""Seconds of a budget that is still taken for one: a year."""


def parse_budget(text: str) -> float:
    """Read a time in seconds: ``10m``, ``2h``, ``90s``, ``1h30m``, ``1:30:00`` (hours first), or plain seconds.

    Raises SetupError for what is none of these, not positive, or longer than a year.
    """
    compact = text.strip().replace(" ", "")
    found = next((match for kind in (_PLAIN, _CLOCK, _UNITS) if (match := kind.fullmatch(compact))), None)
    if not compact or found is None:
        raise SetupError(
            f"expected a time such as 10m, 2h, 90s, 1h30m, 1:30:00 or a number of seconds as --budget, found {text!r};"
            " write one of these"
        )
    seconds = sum(float(found[unit]) * factor for unit, factor in _SECONDS.items() if found[unit])
    if not 0 < seconds <= LONGEST:
        raise SetupError(f"expected a time above zero and of a year at most as --budget, found {text!r}")
    return seconds


def format_duration(seconds: float) -> str:
    """Say about how long that is: "about 40 seconds", "about 9 minutes", "about 2 hours 30 minutes", "about 3 days"."""
    if seconds < 55:
        return f"about {counted(max(round(seconds), 1), 'second')}"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"about {counted(minutes, 'minute')}"
    hours, rest = divmod(round(minutes / 10) * 10, 60)
    if hours < 24:
        return f"about {counted(hours, 'hour')}{f' {rest} minutes' if rest else ''}"
    days, hours = divmod(round(seconds / 3600), 24)
    rest_of_day = f" {counted(hours, 'hour')}" if hours else ""
    return f"about {counted(days, 'day')}{rest_of_day}"

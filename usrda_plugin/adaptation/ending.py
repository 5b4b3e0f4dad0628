"""Which network of a training is taken, without ground truth: the last, unless it has gone wrong by then."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from usrda_plugin.monitoring.alarms import active_alarms
from usrda_plugin.monitoring.measurement import Measurement

BROKEN = ("collapse", "colour_drifting", "grid")
"""Alarms that speak of the output itself; the others are of critics."""


class Ending(NamedTuple):
    """The iteration whose network is taken, None where none is sound, and the reason in a sentence."""

    iteration: int | None
    reason: str


def choose_end(measurements: Sequence[Measurement], last: int) -> Ending:
    """Take the last iteration, or the latest measured one at which no alarm of the output rang.

    The learning rate falls to the end, and there the end cost .04 dB against the best checkpoint (docs/monitoring.md).
    """
    ringing = [_broken(measurements[: number + 1]) for number in range(len(measurements))]
    if not ringing or not ringing[-1]:
        return Ending(last, "the end of the schedule; no alarm of the output rings")
    sound = [number for number, alarms in enumerate(ringing) if not alarms]
    alarms = ", ".join(ringing[-1])
    if not sound:
        return Ending(None, f"at every measurement an alarm of the output rang ({alarms} at the last)")
    iteration = int(measurements[sound[-1]]["iter"])
    return Ending(iteration, f"iteration {iteration}, the last without an alarm; {alarms} rang at the end")


def _broken(measurements: Sequence[Measurement]) -> list[str]:
    return [name for name in active_alarms(measurements) if name in BROKEN]

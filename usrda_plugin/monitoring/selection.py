"""The best network without ground truth: the rule, and the record of the best so far."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from math import inf, nan
from pathlib import Path

from usrda_plugin.monitoring.alarms import collapse
from usrda_plugin.monitoring.history import Line, as_json
from usrda_plugin.weights.writing import write_text

SMOOTHED = 3
"""Measurements whose mean is the score."""


def score(history: Sequence[Line]) -> float:
    """How far the network after the last measurement is from the target; the lowest is the best, nan never.

    The mean ``style_distance`` of the last three measurements, of those there are; how its rank agrees with that of the
    true PSNR and LPIPS of checkpoints is in docs/results.md. The history begins where the critics do. A network that
    has collapsed has none, however well G_t renders.
    """
    if not history or collapse(history):
        return nan
    distances = [signals.get("style_distance", nan) for signals in history[-SMOOTHED:]]
    return sum(distances) / len(distances)


class Best:
    """The lowest score so far, kept in a file ``{iter, score, signals}`` beside the network that had it.

    Args:
        file: where the record stands.
        resumed: whether to go on with the record that is there.
    """

    def __init__(self, file: Path, *, resumed: bool) -> None:
        self.file = file
        self.lowest = float(json.loads(file.read_text(encoding="utf-8"))["score"]) if resumed and file.exists() else inf

    def consider(self, history: Sequence[Line], save: Callable[[], None]) -> bool:
        """Call ``save`` and write the record if the last measurement of a history has the lowest score so far."""
        found = score(history)
        if not found < self.lowest:  # nan is not
            return False
        self.lowest = found
        save()  # first, so that the record never speaks of a network that is not there
        signals = {name: value for name, value in history[-1].items() if name != "iter"}
        write_text(self.file, as_json({"iter": int(history[-1]["iter"]), "score": found, "signals": signals}, indent=2))
        return True

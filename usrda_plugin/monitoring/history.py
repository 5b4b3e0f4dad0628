"""The history of a run's measurements, and the best network that it knows of; both are files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from math import inf, isfinite, nan
from pathlib import Path
from typing import Any

from usrda_plugin.monitoring.alarms import collapse
from usrda_plugin.monitoring.measurement import Measurement
from usrda_plugin.weights.writing import write_text

SMOOTHED = 3
"""Measurements whose mean is the score."""


class History:
    """A file of measurements, a line of JSON each, that grows by a line at a time.

    Args:
        file: where it stands.
        until: the iteration from which a run goes on; later lines are dropped, and with 0 all.
    """

    def __init__(self, file: Path, until: int) -> None:
        self.file = file
        self.measurements = [measurement for measurement in read_measurements(file) if measurement["iter"] <= until]
        write_text(file, "".join(_line(measurement) for measurement in self.measurements))

    def add(self, measurement: Measurement) -> None:
        """Append a measurement."""
        self.measurements.append(measurement)
        with self.file.open("a", encoding="utf-8") as file:
            file.write(_line(measurement))


class Best:
    """The lowest score so far, kept in a file ``{iter, score, signals}`` beside the network that had it.

    Args:
        file: where the record stands.
        resumed: whether to go on with the record that is there.
    """

    def __init__(self, file: Path, *, resumed: bool) -> None:
        self.file = file
        self.lowest = float(json.loads(file.read_text(encoding="utf-8"))["score"]) if resumed and file.exists() else inf

    def consider(self, measurements: Sequence[Measurement], save: Callable[[], None]) -> bool:
        """Call ``save`` and write the record if the last measurement has the lowest score so far."""
        found = score(measurements)
        if not found < self.lowest:  # nan is not
            return False
        self.lowest = found
        save()  # first, so that the record never speaks of a network that is not there
        signals = {name: value for name, value in measurements[-1].items() if name != "iter"}
        record = {"iter": int(measurements[-1]["iter"]), "score": found, "signals": signals}
        write_text(self.file, _as_json(record, indent=2))
        return True


def score(measurements: Sequence[Measurement]) -> float:
    """Return how far the network after the last measurement is from the target; the lowest is the best, nan never.

    The mean ``style_distance`` of the last three measurements, of those there are; how its rank agrees with that of the
    true PSNR and LPIPS of checkpoints is in docs/results.md. The measurements begin where the critics do. A network
    that has collapsed has none, however well G_t renders.
    """
    if not measurements or collapse(measurements):
        return nan
    distances = [measurement.get("style_distance", nan) for measurement in measurements[-SMOOTHED:]]
    return sum(distances) / len(distances)


def _line(measurement: Measurement) -> str:
    return f"{_as_json({**measurement, 'iter': int(measurement['iter'])})}\n"


def _as_json(content: Mapping[str, Any], indent: int | None = None) -> str:
    """JSON as every reader takes it: what is not finite becomes null."""
    return json.dumps(_finite(content), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not isfinite(value) else value


def read_measurements(file: Path) -> list[Measurement]:
    """The lines of a history's file; one that a crash has cut off is left out."""
    measurements = []
    for text in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            content = json.loads(text)
        except json.JSONDecodeError:
            continue
        measurements.append({name: nan if value is None else float(value) for name, value in content.items()})
    return measurements

"""What BasicSR's logs tell of a training: curves, validations, versions, warnings, times."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from usrda_plugin.reports.charts import Series

ENTRY = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ ([A-Z]+): (.*)")
STEP = re.compile(r"\[.*?iter: *([\d,]+), lr:\(([^)]*)\)\] \[.*?time \(data\): *(\d+(?:\.\d+)?) \([\d.]+\)\] ?(.*)")
VALUE = re.compile(r"([A-Za-z_][\w./-]*): ([-+]?(?:\d[\d.]*(?:[eE][-+]?\d+)?|nan|inf))(?=\s|$)")
METRIC = re.compile(r"\s+# ([\w.-]+): ([-+\d.einfa]+)")
VERSION = re.compile(r"\s+([\w+ -]{1,40}): (\S.*)")
MOST_NAMES, MOST_WARNINGS, LONGEST = 200, 30, 2000

Curves = dict[str, dict[int, float]]


class TrainingLog(NamedTuple):
    """Curves by name over iterations; ``speed``: seconds an iteration; ``warnings`` with how often each was told.

    ``seconds``: between the first and the last line of each log, added up; ``starts``: how many logs there are.
    """

    losses: dict[str, Series]
    rates: dict[str, Series]
    validations: dict[str, Series]
    speed: Series
    environment: dict[str, str]
    images: dict[str, str]
    warnings: Counter[str]
    iterations: int
    seconds: float
    starts: int
    begun: datetime | None


def read_logs(files: Sequence[Path]) -> TrainingLog:
    """Read the logs of one run, the oldest first; a later one replaces what an earlier has from the same iterations."""
    reader = _Reader()
    for file in files:
        reader.begin()
        with file.open(encoding="utf-8", errors="backslashreplace") as lines:
            reader.read(line.rstrip("\n")[:20_000] for line in lines)
    return reader.result(len(files))


class _Reader:
    def __init__(self) -> None:
        self.losses: Curves = defaultdict(dict)
        self.rates: Curves = defaultdict(dict)
        self.validations: Curves = defaultdict(dict)
        self.speed: dict[int, float] = {}
        self.environment: dict[str, str] = {}
        self.images: dict[str, str] = {}
        self.warnings: Counter[str] = Counter()
        self.seconds = 0.0
        self.begun: datetime | None = None

    def begin(self) -> None:
        """Begin another log."""
        self.iteration, self.set_name, self.in_versions, self.is_first_step = 0, "", False, True
        self.first: datetime | None = None
        self.counted = 0.0

    def read(self, lines: Iterable[str]) -> None:
        for line in lines:
            entry = ENTRY.match(line)
            if entry:
                self._time(entry[1])
                self._entry(entry[2], entry[3])
            else:
                self._continued(line)

    def result(self, starts: int) -> TrainingLog:
        return TrainingLog(
            losses=_as_series(self.losses),
            rates=_as_series(self.rates),
            validations=_as_series(self.validations),
            speed=Series.of("seconds", sorted(self.speed.items())),
            environment=self.environment,
            images=self.images,
            warnings=self.warnings,
            iterations=max(self.speed, default=0),
            seconds=self.seconds,
            starts=starts,
            begun=self.begun,
        )

    def _time(self, text: str) -> None:
        try:
            now = datetime.fromisoformat(text)
        except ValueError:
            return
        self.first = self.first or now
        self.begun = self.begun or now
        passed = max((now - self.first).total_seconds(), self.counted)
        self.seconds, self.counted = self.seconds + passed - self.counted, passed

    def _entry(self, level: str, text: str) -> None:
        self.in_versions = False
        step = STEP.match(text)
        if step:
            self._step(*step.groups())
        elif level == "WARNING" and (text in self.warnings or len(self.warnings) < MOST_WARNINGS):
            self.warnings[text[:LONGEST]] += 1
        elif text.startswith("Validation "):
            self.set_name = text.removeprefix("Validation ").strip()

    def _continued(self, line: str) -> None:
        """A line of an entry of several lines."""
        metric, version = METRIC.match(line), VERSION.match(line)
        if line.startswith("Version Information"):
            self.in_versions = True
        elif metric:
            self._add(self.validations, f"{self.set_name}: {metric[1]}", self.iteration, metric[2])
        elif version and self.in_versions and len(self.environment) < MOST_NAMES:
            self.environment[version[1].strip()] = version[2][:LONGEST]
        elif version and version[1].startswith("Number of") and len(self.images) < MOST_NAMES:
            self.images[version[1]] = version[2][:LONGEST]

    def _step(self, iteration: str, rates: str, seconds: str, values: str) -> None:
        self.iteration = int(iteration.replace(",", "") or 0)
        if self.is_first_step:
            self._forget_from(self.iteration)
        self.is_first_step = False
        self.speed[self.iteration] = float(seconds)
        for number, rate in enumerate(filter(None, (part.strip() for part in rates.split(","))), 1):
            self._add(self.rates, f"lr {number}", self.iteration, rate)
        for name, value in VALUE.findall(values):
            self._add(self.losses, name, self.iteration, value)

    def _forget_from(self, iteration: int) -> None:
        """Drop what an earlier start has logged of the iterations that this one repeats."""
        for curve in [self.speed, *self._curves()]:
            for late in [each for each in curve if each >= iteration]:
                del curve[late]

    def _curves(self) -> Iterator[dict[int, float]]:
        for curves in (self.losses, self.rates, self.validations):
            yield from curves.values()

    def _add(self, curves: Curves, name: str, iteration: int, value: str) -> None:
        if name not in curves and len(curves) >= MOST_NAMES:
            return
        try:
            curves[name][iteration] = float(value)
        except ValueError:
            return


def _as_series(curves: Curves) -> dict[str, Series]:
    return {name: Series.of(name, sorted(values.items())) for name, values in curves.items()}

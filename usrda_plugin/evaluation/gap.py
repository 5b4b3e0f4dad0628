"""How far two sets of photographs are apart, without ground truth: each measure with its interval and with chance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from torch import nn

from usrda_plugin.data.sampler import sample_rng
from usrda_plugin.evaluation.encoders import encoder_of
from usrda_plugin.evaluation.measures import ROWS, Row
from usrda_plugin.evaluation.photographs import Looked, Place, gather
from usrda_plugin.evaluation.statistics import Statistics, joined

FEWEST = 4
"""Photographs of each domain below which chance and intervals are not to be had."""
COVERED = 0.99
DEVIATIONS = 1.96
"""A normal distribution has 95 % within so many deviations."""


class Measure(NamedTuple):
    """One measure of a gap; ``value`` is None where it is not defined, and 0 where the domains are alike.

    ``interval``: 95 % by drawing the photographs again. ``chance``: the magnitude below which 99 % of the values lie
    where the photographs of both are shuffled, so that there is no gap. Both are None below four photographs of each.
    ``source``, ``target``: what each has by itself, where that is a number. ``span``: least and greatest value.
    """

    name: str
    title: str
    value: float | None
    unit: str
    span: tuple[float, float]
    interval: tuple[float, float] | None
    chance: float | None
    source: float | None
    target: float | None
    sentence: str

    @property
    def differs(self) -> bool | None:
        """Whether the value is above chance; None where that is not known."""
        return None if self.value is None or self.chance is None else abs(self.value) > self.chance


class Gap(NamedTuple):
    """How far target photographs are from source photographs, measure by measure.

    ``spectra``: mean power of luma of source and target at 1 to 16 cycles over 32 pixels, squared 8-bit levels.
    ``network``: the class of the network whose encoder gave features, "" for none. ``scale``: by which the source was
    shrunk.
    """

    source: Looked
    target: Looked
    scale: int
    seed: int
    network: str
    measures: tuple[Measure, ...]
    spectra: tuple[list[float], list[float]]

    def measure(self, name: str) -> Measure:
        """Return the measure of a name. Raises KeyError."""
        return {measure.name: measure for measure in self.measures}[name]

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold; bounds that are infinite are None."""
        measures = {
            measure.name: {
                **measure._asdict(),
                "span": [_finite(end) for end in measure.span],
                "differs": measure.differs,
            }
            for measure in self.measures
        }
        spectra = dict(zip(("source", "target"), self.spectra, strict=True))
        looked = {"source": self.source._asdict(), "target": self.target._asdict()}
        settings = {"scale": self.scale, "seed": self.seed, "network": self.network or None}
        return {**looked, **settings, "measures": measures, "spectra": spectra}

    def describe(self) -> str:
        """Say it in lines for people."""
        lines = [f"source {self.source.describe()}", f"target {self.target.describe()}", ""]
        for measure in self.measures:
            lines += [f"{measure.title:<37} {figures(measure)}", f"  {measure.sentence}"]
        return "\n".join([*lines, "", self.verdict()])

    def verdict(self) -> str:
        """Say in a line what differs."""
        if all(measure.differs is None for measure in self.measures):
            return f"Differences cannot be told from chance: that needs {FEWEST} photographs of each"
        different = [measure.title for measure in self.measures if measure.differs]
        alike = [measure.title for measure in self.measures if measure.differs is False]
        parts = [f"Different beyond chance: {', '.join(different)}"] if different else []
        parts += [f"alike: {', '.join(alike)}"] if alike else []
        return "; ".join(parts)


def measure_gap(source: Place, target: Place, network: nn.Module | None = None, scale: int = 1, seed: int = 0) -> Gap:
    """Measure how far target photographs are from source photographs, in seconds without a network.

    A place is a folder (subfolders too), an LMDB, a list of files, or an ``ImageSource``. At most 64 photographs of
    each are looked at, evenly spaced, 8 crops of 64 pixels of each. ``network``: a USRDANet or an RRDBNet, whose
    encoder's features are compared too. ``scale``: by which the source is shrunk first, as in training; 1: as it is.

    Raises:
        SetupError: a place has no photograph that can be compared; the network has no encoder.
    """
    encode = None if network is None else encoder_of(network)
    of_source, seen_of_source = gather(source, scale, encode, seed)
    of_target, seen_of_target = gather(target, 1, encode, seed)
    name = "" if network is None else type(network).__name__
    spectra = (of_source.spectrum.mean(0).tolist(), of_target.spectrum.mean(0).tolist())
    return Gap(seen_of_source, seen_of_target, scale, seed, name, compare(of_source, of_target, seed), spectra)


def compare(source: Statistics, target: Statistics, seed: int = 0) -> tuple[Measure, ...]:
    """Compare the statistics of two domains by each measure that they have what for."""
    return tuple(_measured(row, source, target, seed) for row in ROWS if row.needs(source) and row.needs(target))


def _measured(row: Row, source: Statistics, target: Statistics, seed: int) -> Measure:
    own = (None, None) if row.each is None else (row.each(source), row.each(target))
    fewest = min(len(source), len(target))
    value, interval, chance = None, None, None
    if fewest >= row.least:
        value = row.of(source, target)
    if value is not None and fewest >= FEWEST:
        interval = _interval(row, value, source, target, seed)
        chance = _chance(row, source, target, seed)
    if value is None:
        found = f"it needs {row.least} photographs of each, found {len(source)} and {len(target)}"
        sentence = f"not defined: {found}"
    elif chance is None:
        sentence = f"{row.sentence(value)}; with so few photographs this may be their content"
    elif abs(value) <= chance:
        sentence = "alike: no more than chance makes of photographs of one kind"
    else:
        sentence = row.sentence(value)
    return Measure(row.name, row.title, value, row.unit, row.span, interval, chance, own[0], own[1], sentence)


def _interval(row: Row, value: float, source: Statistics, target: Statistics, seed: int) -> tuple[float, float]:
    drawn = _repeat(
        row, seed, lambda rng: (source.take(_again(rng, len(source))), target.take(_again(rng, len(target))))
    )
    margin = DEVIATIONS * float(np.std([*drawn], ddof=1))
    return max(value - margin, row.span[0]), min(value + margin, row.span[1])


def _chance(row: Row, source: Statistics, target: Statistics, seed: int) -> float:
    mixed = joined((source, target))

    def shuffled(rng: np.random.Generator) -> tuple[Statistics, Statistics]:
        first, second = np.split(rng.permutation(len(mixed)), [len(source)])
        return mixed.take(first), mixed.take(second)

    return float(np.quantile(np.abs([*_repeat(row, seed, shuffled)]), COVERED))


def _repeat(
    row: Row, seed: int, draw: Callable[[np.random.Generator], tuple[Statistics, Statistics]]
) -> Iterator[float]:
    for number in range(row.draws):
        yield row.of(*draw(sample_rng(seed, number)))


def _again(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw as many photographs with replacement, in order: the same one hardly ever is learnt and tested."""
    return np.sort(rng.integers(0, count, count))


def figures(measure: Measure) -> str:
    """Say value, interval and chance in a phrase."""
    if measure.value is None:
        return "not defined"
    sign = "+" if measure.span[0] < 0 else ""
    unit = f" {measure.unit}" if measure.unit else ""
    text = f"{measure.value:{sign}.2f}{unit}"
    if measure.interval is not None and measure.chance is not None:
        low, high = measure.interval
        text += f" ({low:{sign}.2f} to {high:{sign}.2f}); chance: up to {measure.chance:.2f}"
    return text if measure.source is None else f"{text}; source {measure.source:.2f}, target {measure.target:.2f}"


def _finite(number: float) -> float | None:
    return number if isfinite(number) else None

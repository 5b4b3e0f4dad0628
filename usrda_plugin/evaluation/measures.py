"""The measures of a domain gap: what each is, its unit and range, and what its value says in a sentence. 0: alike."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import NamedTuple

import numpy as np

from usrda_plugin.evaluation.distances import a_distance, frechet_distance
from usrda_plugin.evaluation.statistics import BLUE, RED, Statistics
from usrda_plugin.monitoring.signals import LEVELS, QUANTISATION, SEGMENT

CONTENT = slice(1, 3)
"""Rings (periods of 16 and 11 pixels) that every camera passes: where spectra are set equal for sharpness."""
FINE = slice(6, 9)
"""Rings around half of the Nyquist frequency: periods of 4.6 to 3.6 pixels."""
FALL = slice(1, 12)
"""Rings whose power gives the slope: periods of 16 to 2.7 pixels."""
FLOOR = QUANTISATION * LEVELS**2
"""Power of rounding to 8 bits, in squared levels: what lies below it is not seen."""
LUMA = np.array([0.299, 0.587, 0.114])

Of = Callable[[Statistics], float]


class Row(NamedTuple):
    """One measure. ``of`` compares two domains; ``each``, where there is one, is what a domain has by itself.

    ``span``: the least and greatest value. ``least``: photographs that each domain must have. ``draws``: how often
    photographs are drawn again for its interval. ``sentence``: the value in words.
    """

    name: str
    title: str
    unit: str
    span: tuple[float, float]
    of: Callable[[Statistics, Statistics], float]
    sentence: Callable[[float], str]
    each: Of | None = None
    least: int = 1
    draws: int = 200

    def needs(self, statistics: Statistics) -> bool:
        """Tell whether the photographs have what it reads."""
        return not self.name.endswith("_features") or statistics.features is not None


def noise(domain: Statistics) -> float:
    """Return the mean noise of the quieter half of photographs, in 8-bit levels: in others texture counts as noise."""
    return float(np.sort(domain.noise)[: (len(domain) + 1) // 2].mean())


def clean_spectrum(domain: Statistics) -> np.ndarray:
    """Return the mean power of photographs without that of their noise, (16,) in squared levels, 1/12 at the least."""
    return (domain.spectrum.mean(0) - noise(domain) ** 2).clip(min=FLOOR)


def sharpness(source: Statistics, target: Statistics) -> float:
    """Return how much more contrast the target has than the source near half of the Nyquist frequency, in percent.

    Both without their noise, and relative to the contrast of coarse detail, which the content decides. -100: none left.
    """
    ratio = clean_spectrum(target) / clean_spectrum(source)
    return 100 * float(np.sqrt(ratio[FINE].mean() / ratio[CONTENT].mean()) - 1)


def slope(domain: Statistics) -> float:
    """Return how the mean power falls with frequency, in dB an octave; amplitudes of 1 / f have -6."""
    decibels = 10 * np.log10(domain.spectrum.mean(0) + FLOOR)
    octaves = np.log2(np.arange(1, SEGMENT // 2 + 1))
    return float(np.polyfit(octaves[FALL], decibels[FALL], 1)[0])


def blocks(domain: Statistics) -> float:
    """Return how much larger steps across the lines of JPEG's grid are, mean of the photographs, in percent."""
    return float(domain.blocks.mean())


def brightness(domain: Statistics) -> float:
    """Return mean luma in 8-bit levels."""
    return float(domain.colour.mean(0) @ LUMA)


def colour_cast(source: Statistics, target: Statistics) -> float:
    """Return how far the mean colours lie apart in the plane of Cb and Cr, in 8-bit levels."""
    red, green, blue = target.colour.mean(0) - source.colour.mean(0)
    bright = float(np.array([red, green, blue]) @ LUMA)
    return float(np.hypot((blue - bright) * BLUE, (red - bright) * RED))


def saturation(domain: Statistics) -> float:
    """Return the mean distance of colours from gray, in 8-bit levels."""
    return float(domain.saturation.mean())


def difference(of: Of) -> Callable[[Statistics, Statistics], float]:
    """Return what compares two domains by how much more the target has."""
    return lambda source, target: of(target) - of(source)


def signed(more: str, less: str, amount: str) -> Callable[[float], str]:
    """Return what says a signed value in words; ``amount`` has a place for its magnitude."""
    return lambda value: f"the target {more if value > 0 else less} by {amount.format(abs(value))}"


def _right(seen: str) -> Callable[[float], str]:
    return lambda value: f"a linear classifier is right on {50 + 25 * value:.0f} % of {seen} (50 %: it guesses)"


def _shift(value: float) -> str:
    return f"as if every one of these were shifted by {np.sqrt(value):.2f} of its own deviation"


ROWS = (
    Row("a_distance", "A-distance of image statistics", "", (0, 2),
        lambda s, t: a_distance(s.squares, t.squares), _right("squares of photographs that it has not seen"),
        least=2, draws=40),
    Row("frechet", "Frechet distance of image statistics", "", (0, inf),
        lambda s, t: frechet_distance(s.squares, t.squares), _shift, least=2, draws=60),
    Row("a_distance_features", "A-distance of encoder features", "", (0, 2),
        lambda s, t: a_distance(_features(s), _features(t)), _right("cells of features that it has not seen"),
        least=2, draws=30),
    Row("frechet_features", "Frechet distance of encoder features", "", (0, inf),
        lambda s, t: frechet_distance(_features(s), _features(t)), _shift, least=2, draws=40),
    Row("noise", "noise", "levels", (-inf, inf), difference(noise),
        signed("is noisier", "has less noise", "{:.2f} of 255 levels"), noise),
    Row("sharpness", "sharpness", "%", (-100, inf), sharpness,
        signed("is sharper", "is softer", "{:.0f} % of the contrast of detail 4 pixels wide")),
    Row("slope", "spectrum slope", "dB/octave", (-inf, inf), difference(slope),
        signed("has more fine detail beside coarse", "has less fine detail beside coarse", "{:.1f} dB an octave"),
        slope),
    Row("blocks", "JPEG blocks", "%", (-inf, inf), difference(blocks),
        signed("has stronger JPEG blocks", "has weaker JPEG blocks", "{:.0f} % of a step between two pixels"), blocks),
    Row("brightness", "brightness", "levels", (-255, 255), difference(brightness),
        signed("is brighter", "is darker", "{:.0f} of 255 levels"), brightness),
    Row("colour", "colour cast", "levels", (0, 180), colour_cast,
        lambda value: f"the mean colour is shifted by {value:.1f} of 255 levels"),
    Row("saturation", "saturation", "levels", (-180, 180), difference(saturation),
        signed("has stronger colours", "has weaker colours", "{:.1f} of 255 levels"), saturation),
)  # fmt: skip


def _features(domain: Statistics) -> np.ndarray:
    assert domain.features is not None
    return domain.features

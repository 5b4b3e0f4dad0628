"""What a camera was like, as curves and in words: how it blurs, and how much noise it has."""

from __future__ import annotations

from math import exp
from typing import NamedTuple

import numpy as np

from usrda_plugin.data.camera import Camera
from usrda_plugin.reports.charts import Chart, Series, line_chart

SAMPLES = 64
"""Length of the transform by which a response is drawn."""
LEVELS = 255
HALF = 0.5
"""The share of contrast at which detail counts as half gone."""


class CameraCurves(NamedTuple):
    """What a page says of a camera: sentences, and charts."""

    words: tuple[str, ...]
    charts: tuple[Chart, ...]


def camera_curves(camera: Camera) -> CameraCurves:
    """Say and draw how much contrast each frequency keeps, what becomes of a point of light, how far a pixel is off."""
    across = camera.kernel.sum(0)
    response = camera.response(SAMPLES)
    frequencies = np.arange(len(response)) / SAMPLES
    levels = LEVELS * camera.noise
    charts = [
        line_chart(
            "Response: contrast that is kept",
            [Series.of("contrast kept", zip(frequencies, response.tolist(), strict=True))],
            x_label="cycles per pixel", floor=0, logarithmic=False,
        ),
        line_chart(
            "Blur: what becomes of a bright line",
            [Series.of("brightness", ((place - len(across) // 2, float(v)) for place, v in enumerate(across)))],
            x_label="pixels from the line", floor=0, logarithmic=False,
        ),
        line_chart(
            "Noise: how far a pixel is off",
            [Series.of("share of pixels", _bell(levels))] if levels else [],
            x_label="8-bit levels", floor=0, logarithmic=False,
        ),
    ]  # fmt: skip
    return CameraCurves(_in_words(frequencies, response, levels), tuple(filter(None, charts)))


def _bell(deviation: float) -> list[tuple[float, float]]:
    places = np.linspace(-4, 4, 81) * deviation
    return [(float(x), exp(-((x / deviation) ** 2) / 2) / (deviation * (2 * np.pi) ** 0.5)) for x in places]


def _in_words(frequencies: np.ndarray, response: np.ndarray, levels: float) -> tuple[str, ...]:
    below = frequencies[response < HALF]
    top = float(response.max())
    if top > 1.1:
        blur = f"The camera sharpens: it raises fine detail up to {top:.1f} times."
    elif not len(below):
        blur = "The camera hardly blurs: more than half of the contrast is left even of the finest detail."
    else:
        blur = f"The camera blurs: detail finer than {1 / below[0]:.1f} pixels keeps less than half of its contrast."
    if levels < 0.5:
        noise = "No noise was found beyond rounding to 8 bits."
    else:
        size = "little" if levels < 2 else "clear" if levels < 6 else "strong"
        noise = f"It has {size} noise: a pixel is off by {levels:.1f} of 255 levels (standard deviation)."
    return blur, noise

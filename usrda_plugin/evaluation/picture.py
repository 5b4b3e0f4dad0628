"""The picture of a domain gap: both spectra, and each measure beside what chance makes."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from usrda_plugin.evaluation.gap import Gap, Measure
from usrda_plugin.monitoring.signals import SEGMENT

SOURCE, TARGET, ALIKE = "#3b6fb6", "#d1662b", "#8a8f98"
LEAST, MOST = 0.1, 100.0
"""Multiples of chance between which bars end."""


def draw(gap: Gap) -> Figure:
    """Return the picture: on the left the power spectra, on the right the measures as multiples of chance."""
    figure = Figure(figsize=(12, 1.8 + 0.42 * max(len(gap.measures), 7)), layout="constrained")
    FigureCanvasAgg(figure)
    spectra, bars = figure.subplots(1, 2, width_ratios=(1, 1.35))
    _draw_spectra(spectra, gap)
    _draw_measures(bars, gap)
    figure.suptitle(f"{gap.source.used} source and {gap.target.used} target photographs")
    return figure


def png(gap: Gap) -> bytes:
    """Return the picture as the content of a PNG file."""
    content = io.BytesIO()
    draw(gap).savefig(content, format="png", dpi=120)
    return content.getvalue()


def _draw_spectra(axes: Axes, gap: Gap) -> None:
    frequency = np.arange(1, SEGMENT // 2 + 1) / SEGMENT
    for name, power, colour in zip(("source", "target"), gap.spectra, (SOURCE, TARGET), strict=True):
        axes.plot(frequency, 10 * np.log10(np.maximum(power, 1e-3)), color=colour, label=name, linewidth=2)
    axes.set_xscale("log", base=2)
    ticks = [1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2]
    axes.set_xticks(ticks, [f"1/{round(1 / tick)}" for tick in ticks])
    axes.set(
        title="Spectra: coarse detail on the left, fine on the right",
        xlabel="cycles per pixel",
        ylabel="power of luma, dB of one squared level",
    )
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)


def _draw_measures(axes: Axes, gap: Gap) -> None:
    measures = gap.measures[::-1]
    axes.axvspan(LEAST, 1, color=ALIKE, alpha=0.2, linewidth=0)
    axes.axvline(1, color=ALIKE, linewidth=1)
    axes.text(0.32, len(measures) - 0.45, "alike", ha="center", va="center", color="#555a63")
    lengths = [_multiple(measure) for measure in measures]
    colours = [TARGET if measure.differs else ALIKE for measure in measures]
    axes.barh(range(len(measures)), np.array(lengths) - LEAST, left=LEAST, color=colours, height=0.6)
    for row, (measure, length) in enumerate(zip(measures, lengths, strict=True)):
        axes.annotate(_label(measure), (max(length, 1), row), (6, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(measures)), [measure.title for measure in measures])
    axes.set_xscale("log")
    axes.set_xlim(LEAST, MOST * 8)  # with room for the labels
    axes.set_xticks([0.1, 1, 10, 100], ["0.1", "1", "10", "100"])
    axes.set_ylim(-0.6, len(measures) - 0.2)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set(title="Gap, as a multiple of chance (gray: alike)", xlabel="gap over what chance makes")


def _multiple(measure: Measure) -> float:
    if measure.value is None or not measure.chance:
        return LEAST
    return float(np.clip(abs(measure.value) / measure.chance, LEAST, MOST))


def _label(measure: Measure) -> str:
    if measure.value is None:
        return "not defined"
    sign = "+" if measure.span[0] < 0 else ""
    return f"{measure.value:{sign}.2f} {measure.unit}".rstrip()

"""The rows of each domain in the plane of PSNR and LPIPS, from the metrics of their cells alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from domains import DOMAINS
from rows import ROWS
from tables import Over, over

mpl.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Cells = Mapping[str, Mapping[int, Mapping[str, Any]]]


class Style(NamedTuple):
    """How a row is drawn."""

    marker: str
    colour: str


GRAY, BLUE, ORANGE, LIGHT = "#555555", "#0072b2", "#d55e00", "#b5b5b5"  # told apart by colour-blind people too
STYLES = {
    "bicubic": Style("x", GRAY),
    "source_only": Style("s", GRAY),
    "oracle": Style("*", GRAY),
    "usrda": Style("o", BLUE),
    "view_noise": Style("v", BLUE),
    "camera": Style("^", BLUE),
    "plus": Style("D", BLUE),
    "realesrgan": Style("P", ORANGE),
    "dasr": Style("X", ORANGE),
}
OTHERS = Style(".", LIGHT)


def draw_plane(domains: Mapping[str, Cells], file: Path) -> Path | None:
    """Draw the picture; returns ``file``, or None where no row has both metrics."""
    figure = plane_of(domains)
    if figure is None:
        return None
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
    return file


def plane_of(domains: Mapping[str, Cells]) -> Figure | None:
    """A panel a domain, a mark a row: its mean over the seeds, with bars of their standard deviation.

    The corner to be in is the upper right: LPIPS falls to the right.
    """
    shown = {domain: cells for domain, cells in domains.items() if any(_place(seeds) for seeds in cells.values())}
    if not shown:
        return None
    columns = min(len(shown), 3)
    lines = -(-len(shown) // columns)
    figure, axes = pyplot.subplots(lines, columns, figsize=(4 * columns, 3.4 * lines + 0.7), layout="constrained",
                                   squeeze=False)  # fmt: skip
    for axis in axes.flat[len(shown) :]:
        axis.remove()
    for axis, (domain, cells) in zip(axes.flat, shown.items(), strict=False):
        axis.set_title(DOMAINS[domain].title, fontsize=9)
        _draw(axis, cells)
    marks = {mark.get_label(): mark for axis in figure.axes for mark in axis.containers}
    figure.legend(marks.values(), marks.keys(), loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure


def _draw(axis: Axes, cells: Cells) -> None:
    compared = [row for row in ROWS if ROWS[row].measurements is None]  # others are made to go wrong
    for row in sorted(compared, key=lambda row: row in STYLES):  # marks of the named rows lie on top
        place = _place(cells.get(row, {}))
        if place is None:
            continue
        style, (psnr, lpips) = STYLES.get(row, OTHERS), place
        title = ROWS[row].title if row in STYLES else "every other row"
        axis.errorbar(lpips.mean, psnr.mean, xerr=lpips.spread, yerr=psnr.spread, fmt=style.marker, color=style.colour,
                      label=title, markersize=10 if style.marker == "*" else 7, elinewidth=1)  # fmt: skip
    axis.set_xlabel("LPIPS (falls to the right)", fontsize=8)
    axis.set_ylabel("PSNR-Y, dB", fontsize=8)
    axis.invert_xaxis()
    axis.grid(alpha=0.3)
    axis.tick_params(labelsize=8)


def _place(seeds: Mapping[int, Mapping[str, Any]]) -> tuple[Over, Over] | None:
    """PSNR and LPIPS of a row; None where one was not measured."""
    psnr, lpips = (over([cell["mean"].get(metric) for cell in seeds.values()]) for metric in ("psnr", "lpips"))
    return (psnr, lpips) if psnr and lpips else None

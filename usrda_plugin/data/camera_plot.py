"""A camera drawn for people: how much contrast it keeps, what becomes of a point, and its noise on gray."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from usrda_plugin.data.camera import REACH, Camera

FORMATS = (".png", ".svg", ".pdf")
"""Suffixes of drawings that can be written."""
STEPS = 256
"""The curve has half as many points."""
GRAYS = (0.15, 0.5, 0.85)
"""Shades, in [0, 1], on which noise is shown."""
STRIP = 32
"""Side, in LR pixels, of each shade."""
BLUR, SHARP = "#b5442e", "#2a6a8c"
_DATES = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}, ".png": {}}


def plotted(camera: Camera, suffix: str) -> bytes:
    """Draw a camera as a file of ``FORMATS``; the same camera gives the same bytes."""
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "usrda"}):
        figure_of(camera).savefig(buffer, format=suffix[1:], dpi=120, metadata=_DATES[suffix])
    return buffer.getvalue()


def figure_of(camera: Camera) -> Figure:
    """Draw a camera: contrast kept over cycles per LR pixel, its kernel, and its noise."""
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    contrast, kernel, noise = figure.subplots(1, 3, width_ratios=(1.5, 1, 1))
    draw_response(contrast, camera)
    _draw_kernel(kernel, camera)
    _draw_noise(noise, camera)
    scale = camera.origin.scale
    figure.suptitle(
        "What this camera does to a sharp picture"
        + (f", at scale {scale}" if scale else "")
        + (f" (estimated from {camera.origin.photographs} photographs)" if camera.origin.photographs else "")
    )
    return figure


def draw_response(axes: Axes, camera: Camera) -> None:
    """Draw how much contrast details of each size keep, with the line of 1, where nothing is changed."""
    kept = camera.response(STEPS)
    cycles = np.arange(len(kept)) / STEPS
    axes.axhline(1, color="0.6", linewidth=1, linestyle="--")
    axes.fill_between(cycles, kept, 1, where=(kept < 1).tolist(), color=BLUR, alpha=0.15, label="lost: blur")
    if kept.max() > 1.02:
        axes.fill_between(cycles, kept, 1, where=(kept > 1).tolist(), color=SHARP, alpha=0.2, label="raised: sharper")
    axes.plot(cycles, kept, color="black", linewidth=2, label="this camera")
    axes.set(xlim=(0, 0.5), ylim=(0, max(1.1, 1.05 * float(kept.max()))))
    axes.set_xlabel("fineness of detail: cycles per LR pixel (0.5: lines one pixel wide)")
    axes.set_ylabel("contrast kept (1: as a shrunk sharp picture)")
    axes.set_title("Contrast: 1 is sharp, below is blur")
    axes.grid(alpha=0.25)
    axes.legend(loc="lower left", frameon=False)


def _draw_kernel(axes: Axes, camera: Camera) -> None:
    most = float(np.abs(camera.kernel).max())
    edge = REACH + 0.5
    shown = axes.imshow(camera.kernel, cmap="RdBu_r", vmin=-most, vmax=most, extent=(-edge, edge, -edge, edge))
    axes.set_title("Kernel: what becomes of one point")
    axes.set_xlabel("LR pixels (red: light, blue: less than none)")
    axes.figure.colorbar(shown, ax=axes, shrink=0.8, label="share of the light")


def _draw_noise(axes: Axes, camera: Camera) -> None:
    """Three grays with the camera's noise: at the left as it is, at the right five times as strong."""
    side = STRIP * len(GRAYS)
    shades = np.repeat(GRAYS, STRIP)[:, None, None]
    times = np.where(np.arange(side) < side // 2, 1, 5)[None, :, None]
    axes.imshow((shades + times * camera.noise * _normal()).clip(0, 1), interpolation="nearest")
    axes.axvline(side / 2 - 0.5, color="white", linewidth=1)
    axes.set_title(f"Noise: {255 * camera.noise:.1f} of 255 levels")
    axes.set_xlabel(f"on three grays, {side} LR pixels wide\n(left: as it is; right: five times as strong)")
    axes.set_xticks([])
    axes.set_yticks([])


@cache
def _normal() -> np.ndarray:
    side = STRIP * len(GRAYS)
    return np.random.default_rng(0).standard_normal((side, side, 3))

"""Whether a program has enlarged a picture: pixels repeat a pattern, which no lens makes, and fine detail is missing.

Interpolated pixels differ from their neighbours more or less by where they lie between those they were made of, so the
mean size of derivatives along rows repeats with the factor (Gallagher, CRV 2005, doi:10.1109/CRV.2005.33). Blur,
noise and noise removal do the same at each pixel and leave no such peak. A camera's mosaic of colours has period 2, but
in derivatives of even order only; the blocks of JPEG have all multiples of 1/8, which are compared. That a
picture was shrunk shows the same peaks, but such a picture has its fine detail.
"""

from __future__ import annotations

import cv2
import numpy as np

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
SQUARE = 1024
"""Side, in pixels, of the middle of a picture that is looked at."""
LEAST = 96
"""Pixels a side below which there is too little to tell by."""
RULES = ((6.0, False, -17.5), (12.0, True, -6.0), (25.0, True, np.inf))
"""How much a peak stands above the median of the spectrum; whether that is of 360 pixels a side and grows with them;
and the decibels that fine detail must be below. Chance makes 3; a picture that was shrunk makes 20 of 360 pixels, one
that was soft before it was shrunk 12, with detail above -16.
"""
ABOVE_BLOCKS = 1.5
"""How much it stands above the peaks of JPEG's blocks, where it is a multiple of theirs."""
REPEATED = 0.25, 8
"""Part of the neighbouring rows that are equal where nearest neighbours were taken, and the longest such run."""

_RULED = 360  # pixels a side
_ORDERS = (1, 2, 3)
_PERIODS = (2.0, 2.5, 3.0, 4.0)
_BLOCKS = (1 / 8, 3 / 8)
_BINS = 1920  # of a cycle a pixel: all of the frequencies above fall on one
_NEAR = 2  # bins
_LENGTH = 128  # of the pieces whose power spectrum is taken
_WINDOW = np.hanning(_LENGTH + 1)[:-1].astype(np.float32)


def luma(levels: np.ndarray) -> np.ndarray:
    """Luma in 8-bit levels, float32 (h, w), of RGB or gray levels of 8 or 16 bits."""
    eight = levels.astype(np.float32) / np.float32(np.iinfo(levels.dtype).max / 255)
    gray: np.ndarray = eight if eight.ndim == 2 else eight @ LUMA
    return gray


def repeated_period(colour: np.ndarray) -> float | None:
    """After how many pixels a picture, (h, w, 3) or (h, w), repeats a pattern of enlarging; None where it does not.

    It is the factor, or for one below 2 the pixels until its fraction comes round: 3 for 1.5. Small factors with small
    denominators are found; others, and what was shrunk, sharpened or packed hard afterwards, may pass.
    """
    height, width = colour.shape[:2]
    if min(height, width) < LEAST:
        return None
    top, left = max(height - SQUARE, 0) // 2, max(width - SQUARE, 0) // 2
    rows = luma(colour[top : top + SQUARE, left : left + SQUARE])
    both = rows, np.ascontiguousarray(rows.T)
    peaks = np.min([[_spectrum(one, order) for order in _ORDERS] for one in both], axis=0)
    strengths = [_strength(peaks, 1 / period) for period in _PERIODS]
    best = int(np.argmax(strengths))
    least = min(strength for strength, _, _ in RULES)
    if strengths[best] <= least:
        return None
    growth = max(1.0, float(np.sqrt(rows.size)) / _RULED)
    detail = max(_fine_detail(one) for one in both)
    is_found = any(
        strengths[best] > strength * (growth if grows else 1) and detail < most for strength, grows, most in RULES
    )
    return _PERIODS[best] if is_found or all(_is_repeated(one) for one in both) else None


def _spectrum(rows: np.ndarray, order: int) -> np.ndarray:
    """How strongly the mean size of derivatives repeats along rows, by frequency (0 to 1/2), in units of the median."""
    size = np.abs(np.diff(rows, n=order, axis=1))
    around = cv2.blur(size, (33, 1), borderType=cv2.BORDER_REFLECT)
    relative = np.where(around > 1, np.minimum(size / (around + 0.5), 4), 1)  # where it is flat there is rounding alone
    profile = relative.mean(0)
    power = np.abs(np.fft.rfft((profile - profile.mean()) * np.hanning(len(profile)), _BINS))
    return power / (np.median(power[_BINS // 10 :]) + 1e-9)


def _strength(peaks: np.ndarray, frequency: float) -> float:
    """The highest peak at a frequency, of all orders, that neither a camera's mosaic nor JPEG's blocks explain."""
    orders = slice(None, None, 2) if frequency == 0.5 else slice(None)
    found = _at(peaks, frequency)[orders]
    if frequency in (0.25, 0.5):
        blocks = max(_at(peaks, block).max() for block in _BLOCKS)
        found = np.where(found > ABOVE_BLOCKS * blocks, found, 0)
    return float(found.max())


def _at(peaks: np.ndarray, frequency: float) -> np.ndarray:
    place = round(frequency * _BINS)
    highest: np.ndarray = peaks[:, place - _NEAR : place + _NEAR + 1].max(1)
    return highest


def _fine_detail(rows: np.ndarray) -> float:
    """Power of the finest detail along rows against the coarse, in decibels, each times its frequency squared.

    Natural pictures keep it nearly the same at all frequencies.
    """
    length = min(_LENGTH, rows.shape[1] // 2 * 2)
    window = _WINDOW if length == _LENGTH else np.hanning(length + 1)[:-1].astype(np.float32)
    pieces = [rows[:, start : start + length] for start in range(0, rows.shape[1] - length + 1, length // 2)]
    power = sum((np.abs(np.fft.rfft((p - p.mean(1, keepdims=True)) * window)) ** 2).mean(0) for p in pieces)
    frequency = np.fft.rfftfreq(length)
    white = 10 * np.log10(power * frequency**2 + 1e-9)
    return float(white[frequency >= 0.42].mean() - white[(frequency > 0.015) & (frequency < 0.04)].mean())


def _is_repeated(rows: np.ndarray) -> bool:
    """Whether many neighbouring columns are equal, in short runs; a margin of one colour is a long one."""
    least, longest = REPEATED
    is_same = (rows[:, 1:] == rows[:, :-1]).all(0).astype(np.int8)
    steps = np.diff(is_same, prepend=0, append=0)
    lengths = np.flatnonzero(steps == -1) - np.flatnonzero(steps == 1)
    return bool(lengths[lengths < longest].sum() >= least * rows.shape[1])

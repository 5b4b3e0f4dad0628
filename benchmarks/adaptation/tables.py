"""From the metrics of cells to the numbers of the report: means, spreads, gap closed, correlations. No files here."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any, NamedTuple

from scipy.stats import spearmanr

DIGITS = {"psnr": 2, "ssim": 4, "lpips": 4, "niqe": 2, "colour_shift": 2, "percent": 0, "rank": 2}
MISSING = "missing"
NONE = "–"
TARGETS = ("psnr", "lpips")

Cell = Mapping[str, Any]
"""The content of a cell's metrics.json."""


class Over(NamedTuple):
    """A number over the seeds: its mean, its sample standard deviation (None for one seed), and how many seeds."""

    mean: float
    spread: float | None
    seeds: int


def over(values: Sequence[float | None]) -> Over | None:
    """A number over the seeds that have it; None where none has."""
    known = [value for value in values if value is not None]
    return Over(mean(known), stdev(known) if len(known) > 1 else None, len(known)) if known else None


def number(value: float | Over | None, kind: str) -> str:
    """A number as the report writes it; all its numbers go through here."""
    if value is None:
        return NONE
    if isinstance(value, Over):
        spread = "" if value.spread is None else f" ± {number(value.spread, kind).removesuffix(' %')}"
        return f"{number(value.mean, kind).removesuffix(' %')}{spread}{' %' if kind == 'percent' else ''}"
    text = f"{value * 100 if kind == 'percent' else value:.{DIGITS[kind]}f}"
    text = text.lstrip("-") if float(text) == 0 else text
    return f"{text} %" if kind == "percent" else text


def gap_closed(row: float | None, source_only: float | None, oracle: float | None) -> float | None:
    """The part of the way from source-only to oracle that a row has gone; None where a number lacks, or the gap."""
    if row is None or source_only is None or oracle is None or oracle == source_only:
        return None
    return (row - source_only) / (oracle - source_only)


def gaps(cells: Mapping[int, Cell], baselines: Mapping[str, Mapping[int, Cell]], metric: str) -> Over | None:
    """Gap closed over the seeds, each against source-only and oracle of its own seed."""
    source_only, oracle = (baselines.get(name, {}) for name in ("source_only", "oracle"))
    return over([gap_closed(_of(cell, metric), _of(source_only.get(seed), metric), _of(oracle.get(seed), metric))
                 for seed, cell in cells.items()])  # fmt: skip


def beats(cell: Cell, source_only: Cell | None) -> bool | None:
    """Whether PSNR and LPIPS are both better than source-only's of the same seed; None where one is not known."""
    values = [_of(each, metric) for metric in TARGETS for each in (cell, source_only)]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    psnr, psnr_before, lpips, lpips_before = known
    return psnr > psnr_before and lpips < lpips_before


def verdict(cells: Mapping[int, Cell], source_only: Mapping[int, Cell]) -> str:
    """In which seeds PSNR and LPIPS are both better than source-only's."""
    told = {True: "yes", False: "no", None: "?"}
    answers = [f"{seed}: {told[beats(cell, source_only.get(seed))]}" for seed, cell in sorted(cells.items())]
    return ", ".join(answers)


def rank_correlation(signal: Sequence[float | None], truth: Sequence[float | None]) -> float | None:
    """Spearman's rank correlation; None for fewer than three pairs, or where one side never changes."""
    pairs = [(a, b) for a, b in zip(signal, truth, strict=True) if a is not None and b is not None]
    if len(pairs) < 3 or any(len(set(side)) < 2 for side in zip(*pairs, strict=True)):
        return None
    value = float(spearmanr(*zip(*pairs, strict=True)).statistic)
    return value if math.isfinite(value) else None


def correlations(checkpoints: Sequence[Mapping[str, Any]], signals: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """For each signal its rank correlation with the true PSNR and LPIPS of the checkpoints of the same iteration."""
    by_iter = {line["iter"]: line for line in signals}
    shared = [(checkpoint, by_iter[checkpoint["iter"]]) for checkpoint in checkpoints if checkpoint["iter"] in by_iter]
    names = dict.fromkeys(name for _, line in shared for name in line if name != "iter")
    return {
        name: {
            truth: rank_correlation([line.get(name) for _, line in shared], [point[truth] for point, _ in shared])
            for truth in TARGETS
        }
        for name in names
    }


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown; the first column is text, the others are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _of(cell: Cell | None, metric: str) -> float | None:
    return None if cell is None else cell["mean"].get(metric)

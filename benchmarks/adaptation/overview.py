"""The short tables of the report: what adaptation brought, and all rows on all domains at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from domains import DOMAINS
from rows import ROWS
from scales import rows_of
from tables import MISSING, NONE, beats, gaps, markdown, number, over

Cells = Mapping[str, Mapping[int, Mapping[str, Any]]]


def in_short(domains: Mapping[str, Cells]) -> str:
    """A line a domain: source-only, the best combination, how much of the gap that closes, in how many seeds of all."""
    lines = [
        [
            DOMAINS[domain].title,
            _pair(cells["source_only"]),
            _pair(cells["plus"]),
            f"{_closed(cells, 'psnr')}, {_closed(cells, 'lpips')}",
            _better(cells),
        ]
        for domain, cells in domains.items()
        if {"source_only", "plus"} <= set(cells)
    ]
    header = [
        "target",
        "source-only: PSNR-Y, LPIPS (seeds)",
        "adapted (`plus`)",
        "gap closed, PSNR, LPIPS",
        "both better, in seeds",
    ]
    return markdown(header, lines) if lines else ""


def at_a_glance(scale: str, domains: Mapping[str, Cells]) -> str:
    """A line a row, a column a domain: PSNR-Y in dB and LPIPS."""
    shown = {domain: cells for domain, cells in domains.items() if cells}
    lines = [
        [
            f"{ROWS[row].title} (`{row}`)",
            *(_told(row, rows_of(scale, domain), cells) for domain, cells in shown.items()),
        ]
        for row in ROWS
        if any(row in cells for cells in shown.values())
    ]
    return markdown(["row: PSNR-Y, LPIPS (seeds)", *(DOMAINS[domain].title for domain in shown)], lines)


def _told(row: str, wanted: Sequence[str], cells: Cells) -> str:
    if row in cells:
        return _pair(cells[row])
    return MISSING if row in wanted else NONE


def _pair(seeds: Mapping[int, Mapping[str, Any]]) -> str:
    """Means over the seeds, and how many these are."""
    means = {metric: over([cell["mean"].get(metric) for cell in seeds.values()]) for metric in ("psnr", "lpips")}
    told = [number(value.mean, metric) if value else NONE for metric, value in means.items()]
    return f"{told[0]} dB, {told[1]} ({len(seeds)})"


def _closed(cells: Cells, metric: str) -> str:
    closed = gaps(cells["plus"], cells, metric)
    return number(closed.mean, "percent") if closed else NONE


def _better(cells: Cells) -> str:
    better = [beats(cell, cells["source_only"].get(seed)) for seed, cell in cells["plus"].items()]
    return f"{better.count(True)} of {len(better)}"

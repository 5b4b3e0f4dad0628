"""How well the signals tell, without ground truth, which network of a training is the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, nan
from statistics import mean
from typing import Any

from tables import NONE, TARGETS, correlations, markdown, number, over

from usrda_plugin.monitoring.history import score

SCORE = "selection score"
CONTROL = "iteration"
LAST = "last"
SIGNALS = ("style_distance", "spectrum_gap", "niqe", "lr_consistency", "colour_drift", "grid", "domain_distance")
"""Signals that are better when they are lower."""
OFTEN = 6
"""Scored checkpoints from which the order of a cell tells something."""
SELECTION = """What a rule would cost that chooses among the scored checkpoints of a training without ground truth: its
PSNR and LPIPS against the best checkpoint's, on the centres of the validation pairs; the mean over the cells, and the
worst of them. A signal chooses where it is lowest, the score where the mean of its last three is. `last` takes the end
of the schedule: that is the rule by which all other numbers of this page are chosen."""
CORRELATION = f"""Spearman's rank correlation of the signals with the truth, in cells that were scored at least
{OFTEN} times: mean over the cells (± its standard deviation). The score and the distances are better when they are low,
so a good one has -1 with PSNR and +1 with LPIPS. The first row is the control: where networks get better to the end,
whatever follows time agrees. Rows that are made to go wrong are there for this table."""

Cells = Mapping[str, Mapping[int, Mapping[str, Any]]]


def selection_tables(domains: Mapping[str, Cells]) -> str:
    """What each rule of choice costs, and for cells that were measured often how signals agree with the truth."""
    all_cells = [cell for rows in domains.values() for seeds in rows.values() for cell in seeds.values()]
    cells = [cell for cell in all_cells if _scored(cell)]
    if not cells:
        return "No cell has a score.\n"
    often = [cell for cell in cells if len(_scored(cell)) >= OFTEN]
    tables = [SELECTION, _cost_table(cells)]
    if often:
        tables += [f"The same in the {len(often)} cells that were scored at least {OFTEN} times:", _cost_table(often),
                   CORRELATION, _correlation_table(often), _choice_table(often)]  # fmt: skip
    return "\n\n".join(table.strip() for table in tables) + "\n"


def _cost_table(cells: Sequence[Mapping[str, Any]]) -> str:
    lines = []
    for rule in (LAST, SCORE, *SIGNALS):
        found = [cost for cell in cells if (cost := cost_of(rule, cell))]
        told = [
            f"{number(mean(values), kind)}, {number(max(values), kind)}" if values else NONE
            for kind, values in ((kind, [cost[kind] for cost in found if kind in cost]) for kind in TARGETS)
        ]
        lines += [[rule, *told, str(len(found))]] if found else []
    return markdown(["chosen by", "PSNR lost, mean, worst", "LPIPS lost, mean, worst", "cells"], lines)


def cost_of(rule: str, cell: Mapping[str, Any]) -> dict[str, float] | None:
    """What is lost against the best of the scored checkpoints, from 0; None where the rule chooses none of them."""
    points = {point["iter"]: point for point in cell["checkpoints"]}
    scored = [line for line in _scored(cell) if line["iter"] in points]
    at = _chosen(rule, scored)
    if at is None:
        return None
    truths = {kind: [points[line["iter"]][kind] for line in scored] for kind in TARGETS}
    best = {"psnr": max, "lpips": min}
    return {kind: abs(points[at][kind] - best[kind](values)) for kind, values in truths.items() if None not in values}


def _chosen(rule: str, scored: Sequence[Mapping[str, Any]]) -> int | None:
    """The iteration that a rule chooses among scored lines; None where it knows none of them."""
    if rule == LAST:
        return scored[-1]["iter"] if scored else None
    known = [line for line in scored if line.get(rule) is not None]
    return min(known, key=lambda line: line[rule])["iter"] if known else None


def _correlation_table(cells: Sequence[Mapping[str, Any]]) -> str:
    found = [correlations(cell["checkpoints"], with_score(cell)) for cell in cells]
    names = dict.fromkeys([CONTROL, SCORE, *(name for one in found for name in one)])
    lines = []
    for name in names:
        known = {truth: over([one[name][truth] for one in found if name in one]) for truth in TARGETS}
        count = max((value.seeds for value in known.values() if value), default=0)
        lines.append([name, *(number(known[truth], "rank") for truth in TARGETS), str(count)])
    return markdown(["signal", "with PSNR", "with LPIPS", "cells"], lines)


def _choice_table(cells: Sequence[Mapping[str, Any]]) -> str:
    header = ["cell", "chosen at", "PSNR chosen", "best", "last", "LPIPS chosen", "best", "last"]
    return markdown(header, [line for cell in cells if (line := _choice(cell))])


def with_score(cell: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The lines of signals, from where the critics begin with the score that the rule gave; nothing beyond the end."""
    train = cell["options"]["train"]
    lines = [line for line in cell["signals"] if line["iter"] <= train["total_iter"]]
    begin = sum(line["iter"] <= (train.get("psnr_iter") or 0) for line in lines)
    history = [{key: nan if value is None else value for key, value in line.items()} for line in lines[begin:]]
    scores = [score(history[: number + 1]) for number in range(len(history))]
    scored = [
        {**line, SCORE: value if isfinite(value) else None, CONTROL: line["iter"]}
        for line, value in zip(lines[begin:], scores, strict=True)
    ]
    return [*lines[:begin], *scored]


def _scored(cell: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [line for line in with_score(cell) if line.get(SCORE) is not None] if cell["signals"] else []


def _choice(cell: Mapping[str, Any]) -> list[str] | None:
    """What the rule would have chosen, on the cell's checkpoints; None where that one is gone."""
    points = cell["checkpoints"]
    at = _chosen(SCORE, _scored(cell))
    chosen = next((point for point in points if point["iter"] == at), None)
    if chosen is None:
        return None
    highest = max(point["psnr"] for point in points)
    lowest = min((point["lpips"] for point in points if point["lpips"] is not None), default=None)
    psnr = [number(value, "psnr") for value in (chosen["psnr"], highest, points[-1]["psnr"])]
    lpips = [number(value, "lpips") for value in (chosen["lpips"], lowest, points[-1]["lpips"])]
    return [f"{cell['domain']}, `{cell['row']}`, seed {cell['seed']}", str(chosen["iter"]), *psnr, *lpips]

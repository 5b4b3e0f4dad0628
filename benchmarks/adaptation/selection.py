"""How well the signals tell, without ground truth, which network of a training is the best."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite, nan
from typing import Any

from tables import TARGETS, correlations, markdown, number, over

from usrda_plugin.models.signals.selection import score

SCORE = "selection score"
CONTROL = "iteration"
OFTEN = 6
"""Scored checkpoints from which the order of a cell tells something."""
SELECTION = f"""Saved checkpoints, measured on the centres of the validation pairs, against the signals of the same
iteration, in the cells that were scored at least {OFTEN} times: Spearman's rank correlation, mean over the cells (± its
standard deviation). The score and the distances are better when they are low, so a good one has -1 with PSNR and +1
with LPIPS. The first row is the control: where networks get better to the end, whatever follows time agrees. Rows that
are made to go wrong are there for this table."""

Cells = Mapping[str, Mapping[int, Mapping[str, Any]]]


def selection_tables(domains: Mapping[str, Cells]) -> str:
    """Correlations of each signal with the truth, and what the choice cost against the best and the last checkpoint."""
    all_cells = [cell for rows in domains.values() for seeds in rows.values() for cell in seeds.values()]
    cells = [cell for cell in all_cells if len(_scored(cell)) >= OFTEN]
    if not cells:
        return f"No cell was scored {OFTEN} times.\n"
    found = [correlations(cell["checkpoints"], with_score(cell)) for cell in cells]
    names = dict.fromkeys([CONTROL, SCORE, *(name for one in found for name in one)])
    lines = []
    for name in names:
        known = {truth: over([one[name][truth] for one in found if name in one]) for truth in TARGETS}
        count = max((value.seeds for value in known.values() if value), default=0)
        lines.append([name, *(number(known[truth], "rank") for truth in TARGETS), str(count)])
    choices = [line for cell in cells if (line := _choice(cell))]
    header = ["cell", "chosen at", "PSNR chosen", "best", "last", "LPIPS chosen", "best", "last"]
    return f"{markdown(['signal', 'with PSNR', 'with LPIPS', 'cells'], lines)}\n{markdown(header, choices)}"


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
    at = min(_scored(cell), key=lambda line: line[SCORE])["iter"]
    chosen = next((point for point in points if point["iter"] == at), None)
    if chosen is None:
        return None
    highest = max(point["psnr"] for point in points)
    lowest = min((point["lpips"] for point in points if point["lpips"] is not None), default=None)
    psnr = [number(value, "psnr") for value in (chosen["psnr"], highest, points[-1]["psnr"])]
    lpips = [number(value, "lpips") for value in (chosen["lpips"], lowest, points[-1]["lpips"])]
    return [f"{cell['domain']}, `{cell['row']}`, seed {cell['seed']}", str(chosen["iter"]), *psnr, *lpips]

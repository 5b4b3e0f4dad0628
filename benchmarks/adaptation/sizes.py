"""What was trained for a table: how large, for how long, by which versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rows import ROWS
from scales import SCALES
from tables import markdown

Cells = Mapping[str, Mapping[int, Mapping[str, Any]]]


def sizes(scale: str, domains: Mapping[str, Cells]) -> str:
    """What was trained, for how long, by which versions."""
    all_cells = [cell for cells in domains.values() for row in cells.values() for cell in row.values()]
    trained = [cell for cell in all_cells if cell["iterations"]]
    made = sorted({", ".join(f"{name} {value}" for name, value in cell["versions"].items()) for cell in all_cells})
    commits = ", ".join(sorted({f"`{cell['commit']}`" for cell in all_cells}))
    patches = ", ".join(f"{side} (scale {factor})" for factor, side in SCALES[scale].lr_patch.items())
    batch = f"Batch {SCALES[scale].batch} (`realesrgan` {SCALES[scale].degraded_batch})"
    without = "" if SCALES[scale].perceptual else " The paper's rows have no perceptual part here."
    parts = [f"{batch}, LR patches of {patches} pixels; measured with {'; '.join(made)}; commits {commits}.{without}\n"]
    lines = [line for row in ROWS if (line := _size_line(row, [cell for cell in trained if cell["row"] == row]))]
    if lines:
        parts.append(markdown(["row", "parameters", "iterations", "minutes of a training, beside other work"], lines))
    return "\n".join(parts)


def _size_line(row: str, cells: Sequence[Mapping[str, Any]]) -> list[str] | None:
    if not cells:
        return None
    parameters = _span([cell["parameters"] for cell in cells])
    iterations = _span([count for cell in cells for count in cell["iterations"]])
    known = [seconds for cell in cells for seconds in cell["seconds"] if seconds is not None]
    minutes = _span([round(seconds / 60, 1) for seconds in known]) if known else "not known"
    return [f"`{row}`", parameters, iterations, f"{minutes} on {_devices(cells)}"]


def _devices(cells: Sequence[Mapping[str, Any]]) -> str:
    """What cells were trained on: GPUs by their name, a CPU by its threads."""
    gpus = sorted({cell["device"] for cell in cells if cell.get("device", "CPU") != "CPU"})
    threads = [count for cell in cells if cell.get("device", "CPU") == "CPU" for count in cell["threads"]]
    return " and ".join([*gpus, f"CPU threads: {_span(threads)}"] if threads else gpus)


def _span(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"

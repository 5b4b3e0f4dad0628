"""Writes docs/results.md from the files that cells have left, and from nothing else.

What has not been run is shown as missing. `--crops FOLDER` also draws crops there, by the networks in
benchmarks/out/adaptation: of photographs that others have taken, so they do not belong beside the report.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from domains import DOMAINS
from one_command import section
from overview import at_a_glance, in_short
from plane import draw_plane
from rows import BASELINES, ROWS
from scales import SCALES, rows_of
from selection import selection_tables
from sizes import sizes
from tables import MISSING, NONE, gaps, markdown, number, over, verdict

HERE = Path(__file__).resolve().parent
COLUMNS = {
    "psnr": "PSNR-Y, dB ↑",
    "ssim": "SSIM ↑",
    "lpips": "LPIPS ↓",
    "niqe": "NIQE ↓",
    "colour_shift": "colour shift ↓",
}
HEADER = ["row", *COLUMNS.values(), "gap closed, PSNR", "gap closed, LPIPS", "both beat source-only, by seed"]

Cells = dict[str, dict[int, dict[str, Any]]]
"""By row and seed, the content of metrics.json, and ``options`` and ``signals`` where there are any."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the report; 0, or 2 where there is no result at all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scales", nargs="+", choices=SCALES, default=["small", "full"])
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--out", type=Path, default=HERE.parent / "out/adaptation", help="networks for --crops")
    parser.add_argument("--write", type=Path, default=HERE.parents[1] / "docs/results.md", metavar="FILE")
    parser.add_argument("--crops", type=Path, metavar="FOLDER", help="draw crops by the networks of seed 0")
    chosen = parser.parse_args(arguments)
    found = {scale: read_scale(chosen.results / scale, SCALES[scale].domains) for scale in chosen.scales}
    found = {scale: domains for scale, domains in found.items() if any(domains.values())}
    if not found:
        print(
            f"no metrics.json of {', '.join(chosen.scales)} below {chosen.results}; run.py makes them", file=sys.stderr
        )
        return 2
    planes = {scale: draw_plane(found[scale], chosen.write.with_name(f"{chosen.write.stem}_{scale}.png"))
              for scale in found}  # fmt: skip
    chosen.write.write_text(document(found, planes), encoding="utf-8")
    print(f"written: {chosen.write}")
    if chosen.crops:
        draw_all_crops(found, chosen.out, chosen.crops)
    return 0


def read_scale(folder: Path, domains: Sequence[str]) -> dict[str, Cells]:
    """The cells of a scale: of its own domains, and of others that were run."""
    cells = {domain: read_cells(folder / domain) for domain in DOMAINS}
    return {domain: found for domain, found in cells.items() if found or domain in domains}


def read_cells(folder: Path) -> Cells:
    """The cells of a domain."""
    cells: Cells = {}
    for file in sorted(folder.glob("*/seed*/metrics.json")):
        cell = json.loads(file.read_text(encoding="utf-8"))
        options, signals = file.with_name("options.yml"), file.with_name("signals.jsonl")
        cell["options"] = yaml.safe_load(options.read_text(encoding="utf-8")) if options.is_file() else {}
        lines = signals.read_text(encoding="utf-8").splitlines() if signals.is_file() else []
        cell["signals"] = [json.loads(line) for line in lines]
        cells.setdefault(cell["row"], {})[cell["seed"]] = cell
    return cells


def document(found: Mapping[str, Mapping[str, Cells]], planes: Mapping[str, Path | None]) -> str:
    """The whole page; ``planes``: the picture of each scale, if it has one."""
    parts = [INTRODUCTION, section()]
    for scale, domains in found.items():
        parts.append(f"## Scale `{scale}`\n\n{sizes(scale, domains)}\n")
        if plane := planes[scale]:
            parts.append(f"![PSNR and LPIPS of the rows]({plane.name})\n")
        parts.append(f"### In short\n\n{in_short(domains)}\n### All rows at a glance\n\n{at_a_glance(scale, domains)}")
        for domain, cells in domains.items():
            table, again = domain_table(scale, domain, cells), command(scale, domain, cells)
            parts.append(f"### {DOMAINS[domain].title}\n\n{table}\n{again}\n")
        parts.append(f"### Choosing the network without ground truth, scale `{scale}`\n\n{selection_tables(domains)}")
    return "\n".join(parts)


def domain_table(scale: str, domain: str, cells: Cells) -> str:
    """A row of the table for each row of the scale, and for others that were run; how many seeds stand behind it."""
    if not cells:
        return f"All rows are {MISSING}.\n"
    shown = [row for row in ROWS if row in cells or row in rows_of(scale, domain)]
    return markdown(HEADER, [_line(row, cells) for row in shown]) + f"\n{_seeds(cells)}\n"


def _line(row: str, cells: Cells) -> list[str]:
    seeds = cells.get(row, {})
    if not seeds:
        return [f"{ROWS[row].title} (`{row}`)", MISSING, *[""] * (len(HEADER) - 2)]
    values = [number(over([cell["mean"][name] for cell in seeds.values()]), name) for name in COLUMNS]
    closed = [NONE, NONE, NONE]
    if row not in BASELINES:
        percent = [number(gaps(seeds, cells, metric), "percent") for metric in ("psnr", "lpips")]
        closed = [*percent, verdict(seeds, cells.get("source_only", {}))]
    return [f"{ROWS[row].title} (`{row}`)", *values, *closed]


def _seeds(cells: Cells) -> str:
    """How many seeds stand behind the rows."""
    counts: dict[int, list[str]] = {}
    for row in ROWS:
        if row in cells and row != "bicubic":
            counts.setdefault(len(cells[row]), []).append(row)
    told = [f"{count} seed{'s' * (count > 1)}: {', '.join(rows)}" for count, rows in sorted(counts.items())]
    return "; ".join(told) + "." if told else "Nothing has been run."


def command(scale: str, domain: str, cells: Cells) -> str:
    """The commands that make a table again: one for the rows of the same seeds."""
    rows_of: dict[tuple[int, ...], list[str]] = {}
    for row in (row for row in ROWS if row in cells):
        rows_of.setdefault(tuple(sorted(cells[row])), []).append(row)
    return "".join(
        f"    python benchmarks/adaptation/run.py --scale {scale} --domains {domain} --rows {' '.join(rows)}"
        f" --seeds {' '.join(map(str, seeds))}\n"
        for seeds, rows in rows_of.items()
    )


def draw_all_crops(found: Mapping[str, Mapping[str, Cells]], out: Path, folder: Path) -> None:
    """Draw the crops of each domain whose networks are here."""
    from pictures import draw_crops

    folder.mkdir(parents=True, exist_ok=True)
    for scale, domains in found.items():
        for domain, cells in domains.items():
            draw_crops(scale, domain, list(cells), out, folder / f"{scale}_{domain}.png")


INTRODUCTION = """# Results

Written by `python benchmarks/adaptation/report.py` from the files below `benchmarks/adaptation/results/`, a folder a
cell. What the rows, domains and scales are is said in [benchmarks/adaptation](../benchmarks/adaptation/README.md). PSNR
and SSIM are of luma, LPIPS is v0.1 of AlexNet, NIQE needs no ground truth, colour shift is in 8-bit levels; a border of
`scale` pixels is left out. A number with ± is the mean over seeds with their sample standard deviation; without, it is
of one seed.

**Gap closed** is (row - source-only) / (oracle - source-only), seed by seed: 0 % is where adaptation started, 100 % is
what the same network learns from true pairs in as many iterations. On City100 these are four scenes a fold, and on the
synthetic domains as many photographs as the source has: a ceiling for this training, not for super-resolution.

**The stopping rule** is the end of a schedule that is the same for all rows and domains: published is the average of
the weights there. No ground truth chooses it, and no signal; what choosing by signals would give is the last section.

**What was looked at while the recipe was made**: seed 0 of City100 and of the first two synthetic domains. The options
of `plus` and `camera` were found there, and so was the rule by which the camera's noise is estimated. The domain that
is held out has another camera, which no choice has seen; its scenes are those of the other synthetic domains. Other
scenes and cameras are the test that counts.
"""

if __name__ == "__main__":
    sys.exit(main())

"""Runs the matrix of the adaptation benchmark: rows x domains x seeds, each cell once, two at a time if you like.

A cell that has its metrics.json is done and left alone; one that was cut off goes on where its training was saved.
benchmarks/adaptation/README.md has the rows, the domains, and what a cell leaves.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
OUT = HERE.parent / "out/adaptation"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cells that are asked for; 0 if all are there in the end, 1 if one failed, 2 where it cannot begin."""
    chosen = parse(arguments)
    if chosen.cell:
        return one(chosen)
    from cells import Places, clear, is_done, is_stale
    from domains import DOMAINS
    from staging import stage

    places = Places(chosen.out.resolve(), chosen.results.resolve())
    cells = wanted(chosen)
    for cell in cells if chosen.force else []:
        clear(cell, places)
    missing = [cell for cell in cells if not is_done(cell, places)]
    for cell in cells:
        if cell not in missing:
            print(f"{cell.folder}: done" + (", by other options than now: --force" * is_stale(cell, places)))
    try:
        for domain in dict.fromkeys(cell.domain for cell in missing):
            print(f"images: {DOMAINS[domain].title}")
            stage(domain, places.out / "data", chosen.data)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    codes = run_all(missing, chosen)
    print(f"{len(missing)} cells run, {sum(map(bool, codes))} failed, {len(cells) - len(missing)} done before")
    return 1 if any(codes) else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    from domains import DOMAINS
    from rows import ROWS
    from scales import SCALES

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--domains", nargs="+", choices=DOMAINS, help="default: those of the scale")
    parser.add_argument("--rows", nargs="+", choices=ROWS, help="default: those of the scale")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--jobs", type=int, default=1, help="cells at a time (1)")
    parser.add_argument("--threads", type=int, default=1, help="threads of each (1)")
    shared = os.environ.get("USRDA_SHARED_DATA")
    parser.add_argument("--data", type=Path, default=shared, help="folder of photographs ($USRDA_SHARED_DATA)")
    parser.add_argument("--out", type=Path, default=OUT, help="images, weights and logs (benchmarks/out/adaptation)")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="what the report reads")
    parser.add_argument("--force", action="store_true", help="train and measure again what is asked for")
    parser.add_argument("--cell", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def wanted(chosen: argparse.Namespace) -> list:
    """The cells that are asked for; those that others start from come first, and bicubic knows no seed."""
    from rows import ROWS
    from scales import SCALES, rows_of
    from trainings import Cell

    scale = SCALES[chosen.scale]
    rows = sorted(ROWS, key=lambda row: row != "source_only")
    return [
        Cell(chosen.scale, domain, row, seed)
        for row in rows
        for seed in (chosen.seeds if row != "bicubic" else [0])
        for domain in chosen.domains or scale.domains
        if row in (chosen.rows or rows_of(chosen.scale, domain))
    ]


def run_all(cells: list, chosen: argparse.Namespace) -> list[int]:
    """Run cells, so many at a time; returns their exit codes. Stopped by the user, it begins no other."""
    pool = ThreadPoolExecutor(chosen.jobs)
    try:
        return list(pool.map(lambda cell: run_apart(cell, chosen), cells))
    finally:
        pool.shutdown(cancel_futures=True)


def run_apart(cell: tuple, chosen: argparse.Namespace) -> int:
    """Run a cell in a process of its own; returns its exit code."""
    command = [sys.executable, str(Path(__file__).resolve()), "--cell", *map(str, cell)]
    places = ["--out", str(chosen.out), "--results", str(chosen.results), "--threads", str(chosen.threads)]
    environment = {**os.environ, "OMP_NUM_THREADS": str(chosen.threads)}
    return subprocess.run([*command, *places], env=environment, check=False).returncode


def one(chosen: argparse.Namespace) -> int:
    """Run the one cell that the command names, and print its means."""
    import cv2
    import torch
    from cells import Places, run_cell
    from training import TrainingFailed
    from trainings import Cell

    torch.set_num_threads(chosen.threads)
    cv2.setNumThreads(chosen.threads)
    scale, domain, row, seed = chosen.cell
    cell = Cell(scale, domain, row, int(seed))
    print(f"{cell.folder}: begins", flush=True)
    try:
        mean = run_cell(cell, Places(chosen.out.resolve(), chosen.results.resolve()), chosen.threads)
    except TrainingFailed as error:
        print(f"{cell.folder}: failed\n{error}", file=sys.stderr)
        return 1
    told = "  ".join(f"{name} {value:.4f}" if value is not None else f"{name} -" for name, value in mean.items())
    print(f"{cell.folder}: {told}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

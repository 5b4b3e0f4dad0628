"""What it costs to feed the training: samples per second by how images are stored, and the wait for data in a step.

The same photographs as PNG and JPEG folders and as LMDBs, read by USRDADataset (source pair and target patch, LR made
on the way) and, for comparison, by BasicSR's PairedImageDataset (given pairs). ``--wait`` trains by BasicSR's runner
instead and tells how much of a step is spent in waiting for its batch. ``--tiny`` checks that the storages give the
same samples, and times nothing worth reading.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from itertools import islice
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch.utils.data import DataLoader, Dataset, RandomSampler, Sampler

import usrda_plugin

usrda_plugin.register()  # before BasicSR, which it mends

sys.path.insert(0, str(Path(__file__).parent))
from feeding import SETS, TINY, PhotographSet, check_samples, write_set  # noqa: E402
from rounds import Spread, ratio  # noqa: E402
from waiting import measure, waits  # noqa: E402

BATCH, PREFETCHED = 8, 2
REFERENCE = "BasicSR, LMDB of whole images"


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 0 where all went well, 1 where storages that must agree do not."""
    chosen = build_parser().parse_args(arguments)
    if chosen.one:
        print(json.dumps(measure(*chosen.one)))
        return 0
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    console = Console(width=120)
    if chosen.wait:
        figures: dict[str, Any] = waits(console, chosen)
        faults: list[str] = [name for name, figure in figures.items() if not figure]
    else:
        figures, faults = speeds(console, chosen)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=1))
    for fault in faults:
        console.print(f"[red]failed: {fault}[/]")
    return 1 if faults else 0


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wait", action="store_true", help="train, and measure the wait for data in a step")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu",
                        help="where --wait trains; loading is the CPU's")  # fmt: skip
    parser.add_argument("--workers", type=int, nargs="+", help="loader processes (default: 0 and 2; --wait: 2)")
    parser.add_argument("--seconds", type=float, default=1.5, help="time of each measurement (default 1.5)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each candidate (default 5)")
    parser.add_argument("--steps", type=int, help="--wait: steps of each training")
    parser.add_argument("--batch", type=int, help="--wait: samples a step (default: the option file's; full on CPU: 1)")
    parser.add_argument("--threads", type=int, help="CPU threads of this process (default: torch's)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--tiny", action="store_true", help="seconds on any machine: only whether all give the same")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    return parser


def speeds(console: Console, chosen: argparse.Namespace) -> tuple[dict[str, Any], list[str]]:
    """Samples per second of each storage and number of workers; and the storages whose samples differ."""
    figures: dict[str, Any] = {}
    faults: list[str] = []
    for photographs in (TINY,) if chosen.tiny else SETS:
        with TemporaryDirectory() as folder:
            datasets = write_set(Path(folder), photographs)
            faults += [f"{photographs.name}: {fault}" for fault in check_samples(datasets)]
            for workers in chosen.workers or (0, 2):
                seconds = alternate(datasets, workers, chosen)
                figures[f"{photographs.name}, {workers} workers"] = summary(seconds)
                print_table(console, photographs, workers, seconds)
    console.print("all storages agree" if not faults else "storages disagree")
    return figures, faults


def alternate(datasets: dict[str, Dataset], workers: int, chosen: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds a sample of each candidate in each round; the order turns from round to round."""
    names = list(datasets)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for number in range(1 if chosen.tiny else chosen.rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            seconds[name].append(time_samples(datasets[name], workers, 0.05 if chosen.tiny else chosen.seconds, number))
    return seconds


def time_samples(dataset: Dataset, workers: int, at_least: float, seed: int) -> float:
    """Seconds a sample, once the workers have started and what they had made ahead is used up."""
    loader = DataLoader(dataset, BATCH, sampler=endless(dataset, seed), num_workers=workers)
    batches = iter(loader)
    for _ in islice(batches, 1 + PREFETCHED * workers):
        pass
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < at_least:
        next(batches)
        count += 1
    return (time.perf_counter() - start) / (count * BATCH)


def endless(dataset: Any, seed: int) -> Sampler[int]:
    """Numbers without end, as the data set takes them."""
    from usrda_plugin.data import StreamSampler

    if getattr(dataset, "draws_by_sample_number", False):
        sampler = StreamSampler(dataset, 1, 0, 10**6)
        sampler.set_epoch(seed)
        return sampler
    return RandomSampler(dataset, True, 10**9, torch.Generator().manual_seed(seed))


def summary(seconds: dict[str, list[float]]) -> dict[str, Any]:
    """The figures of the report."""
    return {
        name: {
            "samples_per_second": rate(values)._asdict(),
            "over_basicsr": ratio(seconds[REFERENCE], values)._asdict(),
        }
        for name, values in seconds.items()
    }


def rate(seconds: list[float]) -> Spread:
    """Samples per second."""
    return Spread(1 / median(seconds), 1 / max(seconds), 1 / min(seconds))


def print_table(console: Console, photographs: PhotographSet, workers: int, seconds: dict[str, list[float]]) -> None:
    """A row for each candidate."""
    title = f"{photographs.name}, patch {photographs.gt_size}, scale {photographs.scale}, {workers} workers"
    table = Table("storage", "samples a second", "times BasicSR's LMDB", title=title)
    for name, values in seconds.items():
        table.add_row(name, f"{rate(values):.0f}", f"{ratio(seconds[REFERENCE], values):.2f}")
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())

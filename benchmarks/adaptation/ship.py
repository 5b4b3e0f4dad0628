"""Writes the networks of the real cameras, and the one of the demo, into pretrained/, each with its card.

A file has averaged weights and the options that build the network; the numbers of its card are those that the cell's
metrics.json and the demo's results.json have. The same cells, and the same demo, give the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cell_card
import demo_card
from card import Subject, card
from cells import Places
from run import OUT
from scales import SCALES
from trainings import Cell

from usrda_plugin.weights.writing import write

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LIMIT = 4_000_000  # bytes


class Shipped(NamedTuple):
    """A network of the benchmark that comes with the project: its row, and the domains that it is measured on."""

    row: str
    domains: tuple[str, ...]


SHIPPED = {
    "usrda_source_only_x2": Shipped("source_only", ("nikon", "iphone")),
    "usrda_nikon_x2": Shipped("plus", ("nikon",)),
    "usrda_iphone_x2": Shipped("plus", ("iphone",)),
}
NETWORKS = (*SHIPPED, demo_card.NAME)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write what has been trained and measured; 0, or 1 where a network lacks and is left out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS, metavar="NAME",
                        help=f"those to write ({', '.join(NETWORKS)})")  # fmt: skip
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT, help="networks (benchmarks/out/adaptation)")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="metrics of the cells")
    parser.add_argument("--demo", type=Path, default=ROOT, metavar="FOLDER", help="where make demo was run")
    parser.add_argument("--write", type=Path, default=ROOT / "pretrained", metavar="FOLDER")
    chosen = parser.parse_args(arguments)
    subjects, lacking = _subjects(chosen), 0
    for name in chosen.networks:
        try:
            file = ship(name, subjects[name](), chosen.write)
        except ValueError as error:
            lacking += 1
            print(f"{name}: left out; {error}", file=sys.stderr)
        else:
            print(f"{file}: {file.stat().st_size} bytes, and its card")
    return 1 if lacking else 0


def _subjects(chosen: argparse.Namespace) -> dict[str, Callable[[], Subject]]:
    """What reads each network and what is said of it."""
    places = Places(chosen.out, chosen.results)
    of_cells = {
        name: partial(cell_card.subject_of, Cell(chosen.scale, domains[0], row, chosen.seed), domains, places)
        for name, (row, domains) in SHIPPED.items()
    }
    return {**of_cells, demo_card.NAME: partial(demo_card.subject_of, chosen.demo)}


def ship(name: str, subject: Subject, folder: Path) -> Path:
    """Write a network and its card into ``folder``; returns the file of weights.

    Raises ValueError where the network is too large.
    """
    size = sum(value.numel() * value.element_size() for value in subject.content["params"].values())
    if size >= LIMIT:
        raise ValueError(f"expected less than {LIMIT} bytes of weights, found {size}; ship a smaller network")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.pth"
    write(subject.content, file)
    file.with_suffix(".md").write_text(card(subject, file), encoding="utf-8")
    return file


if __name__ == "__main__":
    sys.exit(main())

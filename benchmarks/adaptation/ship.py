"""Writes the networks of the real cameras into pretrained/, each with its card.

A file has the averaged weights of one cell and the options that build the network; the numbers of its card are those of
the cell's metrics.json. The same cells give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml
from card import Subject, card
from cells import Places, published
from domains import DOMAINS
from run import OUT
from scales import SCALES
from torch import Tensor
from trainings import Cell, trainings_of

from usrda_plugin.models.checkpoints import NETWORK, write

HERE = Path(__file__).resolve().parent
LIMIT = 4_000_000  # bytes
BASELINES = ("bicubic", "source_only")


class Shipped(NamedTuple):
    """A network that comes with the project: its row, and the domains that it is measured on."""

    row: str
    domains: tuple[str, ...]


SHIPPED = {
    "usrda_source_only_x2": Shipped("source_only", ("nikon", "iphone")),
    "usrda_nikon_x2": Shipped("plus", ("nikon",)),
    "usrda_iphone_x2": Shipped("plus", ("iphone",)),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write what has been trained and measured; 0, or 1 where a network lacks and is left out."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", choices=SCALES, default="small")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT, help="networks (benchmarks/out/adaptation)")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="metrics of the cells")
    parser.add_argument("--write", type=Path, default=HERE.parents[1] / "pretrained", metavar="FOLDER")
    chosen = parser.parse_args(arguments)
    places, lacking = Places(chosen.out, chosen.results), 0
    for name, shipped in SHIPPED.items():
        try:
            file = ship(name, shipped, Cell(chosen.scale, shipped.domains[0], shipped.row, chosen.seed), places,
                        chosen.write)  # fmt: skip
        except ValueError as error:
            lacking += 1
            print(f"{name}: left out; {error}", file=sys.stderr)
        else:
            print(f"{file}: {file.stat().st_size} bytes, and its card")
    return 1 if lacking else 0


def ship(name: str, shipped: Shipped, cell: Cell, places: Places, folder: Path) -> Path:
    """Write a network and its card into ``folder``; returns the file of weights.

    Raises ValueError where a cell has not been run, where its network is not here, or is too large.
    """
    rows = dict.fromkeys((*BASELINES, shipped.row))
    cells = {domain: {row: _metrics(cell._replace(domain=domain, row=row), places) for row in rows}
             for domain in shipped.domains}  # fmt: skip
    options = yaml.safe_load((places.results / cell.folder / "options.yml").read_text(encoding="utf-8"))
    content = _content(cell, cells[cell.domain][cell.row], options, places)
    size = sum(value.numel() * value.element_size() for value in content["params"].values())
    if size >= LIMIT:
        raise ValueError(f"expected less than {LIMIT} bytes of weights, found {size}; ship a smaller scale")
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.pth"
    write(content, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    subject = Subject(name, cell, content, file.stat().st_size, digest, _photographs(cell, places))
    file.with_suffix(".md").write_text(card(subject, cells), encoding="utf-8")
    return file


def _metrics(cell: Cell, places: Places) -> dict[str, Any]:
    cell = cell._replace(seed=0) if cell.row == "bicubic" else cell
    file = places.results / cell.folder / "metrics.json"
    if not file.is_file():
        raise ValueError(f"expected {file}, found no such file; it is made by {command(cell)}")
    return json.loads(file.read_text(encoding="utf-8"))


def command(cell: Cell) -> str:
    """The command that runs a cell."""
    what = f"--scale {cell.scale} --domains {cell.domain} --rows {cell.row} --seeds {cell.seed}"
    return f"python benchmarks/adaptation/run.py {what}"


def _content(cell: Cell, metrics: dict[str, Any], options: dict[str, Any], places: Places) -> dict[str, Any]:
    """What the file of weights holds: the average of the network that was measured, and how it is built."""
    (training,) = trainings_of(cell)
    file = published(training, places.out)
    if not file.is_file() or [file.name] != metrics["published"]:
        found = file.name if file.is_file() else "no such network"
        wanted = file.with_name(metrics["published"][0])
        raise ValueError(f"expected {wanted}, found {found}; it is made by {command(cell)} --force")
    trained = torch.load(file, map_location="cpu", weights_only=True)
    kept = {key: _alone(value) for key, value in trained["params_ema"].items() if _is_trained(key, cell)}
    return {"params": kept, NETWORK: trained.get(NETWORK) or options["network_g"]}


def _is_trained(key: str, cell: Cell) -> bool:
    # G_t of source-only has learnt nothing; without it the file is a start for any G_t
    return cell.row != "source_only" or not key.startswith("lr_decoder.")


def _alone(value: Tensor) -> Tensor:
    """A tensor with no more memory behind it than its own, all of which a file would hold."""
    return value.detach().clone(memory_format=torch.contiguous_format)


def _photographs(cell: Cell, places: Places) -> tuple[int, int]:
    """How many source and target photographs were trained on."""
    data = places.out / "data"
    source = (data / f"source_{DOMAINS[cell.domain].source}" / "list.txt").read_text().splitlines()
    return len(source), len(list((data / cell.domain / "target_lr").iterdir()))


if __name__ == "__main__":
    sys.exit(main())

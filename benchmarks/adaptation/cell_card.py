"""What is shipped of a cell of the benchmark, and what the card says of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml
from averages import average_of
from card import Comparison, Subject
from cells import Places, published
from domains import DOMAINS
from report import COLUMNS
from rows import ROWS
from trainings import Cell, trainings_of

MODELS = {"nikon": "Nikon D5500", "iphone": "iPhone X"}
BASELINES = ("bicubic", "source_only")


def subject_of(cell: Cell, domains: tuple[str, ...], places: Places) -> Subject:
    """The network of a cell, measured on some domains.

    Raises ValueError where a cell has not been run, or where its network is not here.
    """
    rows = dict.fromkeys((*BASELINES, cell.row))
    cells = {domain: {row: _metrics(cell._replace(domain=domain, row=row), places) for row in rows}
             for domain in domains}  # fmt: skip
    metrics, adapted = cells[cell.domain][cell.row], _is_adapted(cell)
    return Subject(
        content=_content(cell, metrics, places),
        metrics=tuple(COLUMNS),
        comparisons=[_comparison(cell.row, domain, cells[domain]) for domain in domains],
        training=_training(metrics),
        seen=("BSDS500", "Urban100", "City100")[: 3 if adapted else 2],
        texts=("adapted.md" if adapted else "source_only.md", "benchmark.md", "common.md"),
        words=_words(cell, metrics, _photographs(cell, places)),
    )


def _is_adapted(cell: Cell) -> bool:
    """Whether its network has seen photographs of the target."""
    return cell.row != "source_only"


def _metrics(cell: Cell, places: Places) -> dict[str, Any]:
    cell = cell._replace(seed=0) if cell.row == "bicubic" else cell
    file = places.results / cell.folder / "metrics.json"
    if not file.is_file():
        raise ValueError(f"expected {file}, found no such file; it is made by {command(cell)}")
    return json.loads(file.read_text(encoding="utf-8"))


def command(cell: Cell, rows: str | None = None) -> str:
    """The command that runs a cell, or several ``rows`` of its domain and seed."""
    what = f"--scale {cell.scale} --domains {cell.domain} --rows {rows or cell.row} --seeds {cell.seed}"
    return f"python benchmarks/adaptation/run.py {what}"


def _content(cell: Cell, metrics: Mapping[str, Any], places: Places) -> dict[str, Any]:
    """What the file of weights holds, of the network that was measured."""
    (training,) = trainings_of(cell)
    file = published(training, places.out)
    if not file.is_file() or [file.name] != metrics["published"]:
        found = file.name if file.is_file() else "no such network"
        wanted = file.with_name(metrics["published"][0])
        raise ValueError(f"expected {wanted}, found {found}; it is made by {command(cell)} --force")
    options = yaml.safe_load((places.results / cell.folder / "options.yml").read_text(encoding="utf-8"))
    # G_t of source-only has learnt nothing; without it the file is a start for any G_t
    return average_of(file, options["network_g"], without=() if _is_adapted(cell) else ("lr_decoder",))


def _comparison(shipped: str, domain: str, rows: Mapping[str, Mapping[str, Any]]) -> Comparison:
    names = sorted(rows[shipped]["images"])
    photographs = f"City100 {MODELS[domain]}, scenes {names[0]} to {names[-1]}"
    return Comparison(
        dataset=f"city100_{domain}",
        photographs=photographs,
        title=f"{photographs.replace(' ', ', ', 1)}, of which training has seen none",
        means={ROWS[row].title: metrics["mean"] for row, metrics in rows.items() if row != shipped},
        own=rows[shipped]["mean"],
    )


def _training(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{key: metrics[key] for key in ("scale", "row", "seed")},
        # of the one training of a row that is not cross-validated
        **{key: metrics[key][0] for key in ("iterations", "published_iter", "seconds", "threads")},
        **{key: metrics[key] for key in ("versions", "commit")},
    }


def _photographs(cell: Cell, places: Places) -> tuple[int, int]:
    """How many source and target photographs the training could see."""
    data = places.out / "data"
    source = (data / f"source_{DOMAINS[cell.domain].source}" / "list.txt").read_text().splitlines()
    return len(source), len(list((data / cell.domain / "target_lr").iterdir()))


def _words(cell: Cell, metrics: Mapping[str, Any], photographs: tuple[int, int]) -> dict[str, Any]:
    """What the texts leave open."""
    last, kept, adapted = metrics["iterations"][0], metrics["published_iter"][0], _is_adapted(cell)
    source, target = photographs
    seen = f"{source} of BSDS500 and Urban100, halved as the options say"
    lr = f"; {target} LR photographs of City100's {MODELS[cell.domain]}, without HR"
    return {
        "row": cell.row,
        "camera": MODELS[cell.domain],
        "target": target,
        "photographs": seen + lr * adapted,
        "count": len(metrics["images"]),
        "folder": f"benchmarks/adaptation/results/{cell.folder.as_posix()}",
        "command": command(cell, f"source_only {cell.row}" if adapted else None),
        "start": "[usrda_source_only_x2](usrda_source_only_x2.md)" if adapted else "random weights",
        "stand": "at the end" if kept == last else f"at iteration {kept}, chosen without ground truth",
        "ship": f"python benchmarks/adaptation/ship.py --scale {cell.scale} --seed {cell.seed}",
    }

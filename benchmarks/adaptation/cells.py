"""A cell from beginning to end: train what it needs, measure, write what the report reads."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from domains import DOMAINS, fold_names
from evaluation import PER_CHECKPOINT, Values, means, measure, parameters_of, read_pairs
from rows import BASELINES, ROWS
from scales import SCALES
from torch import nn
from training import finished, folder_of, forget, train, train_source, written
from trainings import Cell, Training, source_training, trainings_of

from usrda_plugin import __version__
from usrda_plugin.archs import USRDABicubic
from usrda_plugin.archs.opening import open_network

BEST, LAST = "net_g_best.pth", "net_g_latest.pth"


class Places(NamedTuple):
    """``out``: images, weights and logs, which stay here; ``results``: what is kept and reported."""

    out: Path
    results: Path


def is_done(cell: Cell, places: Places) -> bool:
    """Whether the cell has been measured."""
    return (places.results / cell.folder / "metrics.json").is_file()


def is_stale(cell: Cell, places: Places) -> bool:
    """Whether the option files say something else now than when the cell was trained."""
    return any(
        _text(places.results / cell.folder / file) != written(training.options)
        for file, training in _option_files(cell).items()
    )


def clear(cell: Cell, places: Places) -> None:
    """Remove a cell and the trainings behind it, so that it is run again."""
    shutil.rmtree(places.results / cell.folder, ignore_errors=True)
    for training in trainings_of(cell):
        forget(training.name, places.out)


def run_cell(cell: Cell, places: Places, threads: int) -> Values:
    """Train and measure a cell, and write its folder; returns the means. Raises TrainingFailed."""
    if ROWS[cell.row].start == "source_only":
        train_source(source_training(cell), places.out, threads)
    trainings = trainings_of(cell)
    for training in trainings:
        train(training, places.out, threads)
    folder = places.results / cell.folder
    folder.mkdir(parents=True, exist_ok=True)
    for file, training in _option_files(cell).items():
        (folder / file).write_text(written(training.options))
    _copy_signals(trainings, places, folder)
    metrics = _measured(cell, trainings, places)
    unfinished = folder / "metrics.json.unfinished"
    unfinished.write_text(json.dumps(metrics, indent=1) + "\n")
    unfinished.rename(folder / "metrics.json")
    return metrics["mean"]


def _option_files(cell: Cell) -> dict[str, Training]:
    trainings = trainings_of(cell)
    return {"options.yml" if each.fold is None else f"options_fold{each.fold}.yml": each for each in trainings}


def _measured(cell: Cell, trainings: list[Training], places: Places) -> dict[str, Any]:
    factor = DOMAINS[cell.domain].factor
    images: dict[str, Values] = {}
    for training in trainings or [None]:
        network = opened(published(training, places.out), training) if training else USRDABicubic(factor)
        parameters, names = parameters_of(network), _names(cell, training, places.out)
        images |= measure(network, read_pairs(places.out / "data" / cell.domain, names), factor)
    runs = [finished(training.name, places.out) or {} for training in trainings]
    return {
        **cell._asdict(),
        "mean": means(images),
        "images": dict(sorted(images.items())),
        "checkpoints": _checkpoints(cell, trainings, places),
        "published": [published(training, places.out).name for training in trainings],
        "published_iter": [_published_iter(training, places.out) for training in trainings],
        "iterations": [training.options["train"]["total_iter"] for training in trainings],
        "seconds": [None if run["seconds"] is None else round(run["seconds"], 1) for run in runs],
        "threads": [run["threads"] for run in runs],
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU",
        "parameters": parameters,
        "versions": {"usrda_plugin": __version__, **{name: version(name) for name in ("torch", "basicsr")}},
        "commit": _commit(),
    }


def published(training: Training, out: Path) -> Path:
    """The network of a run that counts: the one that the signals chose where they were asked, else the last."""
    models = folder_of(training.name, out) / "models"
    return models / (BEST if (models / BEST).is_file() else LAST)


def _published_iter(training: Training, out: Path) -> int:
    total = training.options["train"]["total_iter"]
    if published(training, out).name == LAST:
        return total
    # BasicSR counts on before it validates for the last time
    return min(json.loads((folder_of(training.name, out) / "best.json").read_text())["iter"], total)


def opened(file: Path, training: Training) -> nn.Module:
    """The averaged network that a training saved in ``file``."""
    return open_network(file, description=training.options["network_g"], param_key="params_ema")


def _names(cell: Cell, training: Training | None, out: Path) -> list[str]:
    names = sorted(file.name for file in (out / "data" / cell.domain / "val_hr").iterdir())
    return names if training is None or training.fold is None else fold_names(names, training.fold)[1]


def _checkpoints(cell: Cell, trainings: list[Training], places: Places) -> list[dict[str, Any]]:
    """True values of each checkpoint of a row that adapts: what signals without ground truth should tell."""
    if cell.row in BASELINES:
        return []
    (training,), side = trainings, SCALES[cell.scale].checkpoint_side
    factor, names = DOMAINS[cell.domain].factor, _names(cell, training, places.out)
    pairs = list(read_pairs(places.out / "data" / cell.domain, names, side))
    models = (folder_of(training.name, places.out) / "models").glob("net_g_*.pth")
    saved = {int(file.stem[6:]): file for file in models if file.stem[6:].isdigit()}
    return [
        {"iter": number, **means(measure(opened(saved[number], training), iter(pairs), factor, PER_CHECKPOINT))}
        for number in sorted(saved)
    ]


def _copy_signals(trainings: list[Training], places: Places, folder: Path) -> None:
    for training in trainings:
        file = folder_of(training.name, places.out) / "signals.jsonl"
        if file.is_file():
            shutil.copy(file, folder / file.name)


def _commit() -> str | None:
    """The commit of the working tree, with a plus where files have been changed since."""
    git = ["git", "-C", str(Path(__file__).parent)]
    head = subprocess.run([*git, "rev-parse", "--short=12", "HEAD"], capture_output=True, text=True, check=False)
    changed = subprocess.run([*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True,
                             check=False)  # fmt: skip
    return None if head.returncode else head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def _text(file: Path) -> str | None:
    return file.read_text() if file.is_file() else None

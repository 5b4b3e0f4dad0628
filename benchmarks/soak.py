"""Kills a training again and again, and shows that it ends as if nobody had.

The training is the demo's, or by `--recipe esrgan` that of train_esrgan.yml with small networks and without the
perceptual term, whose weights are not everywhere.

SIGKILL comes at random instants: while the process starts, in the training, and, every fourth time, in the middle of
a save. Each time the training goes on by `--auto_resume`. In the end all that it leaves is compared with
an uninterrupted run: networks, averages, optimizers, random generators, best metrics and signals, bit by bit, and the
losses of the log; nothing half written may be left. 0 if all are identical, 1 if not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import torch
from rich.console import Console

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "demo"))
NAME = "soak"
CORNER = 64
"""Side of what is validated of a photograph, in LR pixels."""
LONGEST = 2.5
"""Seconds from the first losses to a kill, at most."""
LOGGED = re.compile(r"iter:\s*([\d,]+), lr:\(([^)]*)\)\] \[.*?\] (.*)$", re.MULTILINE)
BEST = re.compile(r"# (\w+): (\S+)\s+Best: (.*)$", re.MULTILINE)


class Recipe(NamedTuple):
    """A training: its option file below ``options``, and what is changed in it to make it small."""

    file: str
    overrides: Callable[[argparse.Namespace], dict[str, Any]]


def of_demo(chosen: argparse.Namespace) -> dict[str, Any]:
    """The demo's changes."""
    return {"train:psnr_iter": chosen.iterations // 4, "val:signals:images": 2}


def of_esrgan(chosen: argparse.Namespace) -> dict[str, Any]:
    """Scale 2, small networks, the demo's photographs, and a step in the learning rate."""
    photographs = "demo/out/photographs"
    return {
        "scale": 2,
        "datasets:train:dataroot_gt": f"{photographs}/source_hr",
        "datasets:train:batch_size_per_gpu": 2,
        "datasets:val:dataroot_gt": f"{photographs}/val_hr",
        "datasets:val:dataroot_lq": f"{photographs}/val_lr",
        **{f"network_g:{key}": value for key, value in RRDB.items()},
        "network_d:num_feat": 4,
        "path:pretrain_network_g": "null",
        "train:perceptual_opt": "null",
        "train:scheduler:milestones": f"[{chosen.iterations // 2}]",
        "logger:use_tb_logger": "false",
    }


RRDB = {"scale": 2, "num_feat": 8, "num_block": 1, "num_grow_ch": 4}
RECIPES = {"demo": Recipe("demo_usrda.yml", of_demo), "esrgan": Recipe("train_esrgan.yml", of_esrgan)}


class Left(NamedTuple):
    """What a run has left: SHA-256 of its files, losses by iteration, the last metrics, what should not be there."""

    files: dict[str, str]
    losses: dict[str, str]
    best: list[tuple[str, str, str]]
    leftovers: list[str]


def main(arguments: list[str] | None = None) -> int:
    """Run both trainings and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", choices=RECIPES, default="demo", help="which training")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0, help="of the instants")
    parser.add_argument("--iterations", type=int, default=600)
    parser.add_argument("--workers", type=int, default=2, help="processes that load images")
    chosen = parser.parse_args(arguments)
    console = Console(highlight=False)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="soak_") as folder:
        whole, killed = Path(folder, "whole"), Path(folder, "killed")
        for place in (whole, killed):
            furnish(place, chosen.recipe)
        finish(start(whole, chosen))
        instants = kill_and_go_on(killed, chosen, console)
        finish(start(killed, chosen, auto_resume=bool(instants)))
        faults = differences(left_by(whole), left_by(killed))
    for fault in faults:
        console.print(f"[red]{fault}[/]")
    told = ", ".join(f"{instants.count(kind)} {kind}" for kind in dict.fromkeys(instants))
    verdict = "identical, nothing left behind" if not faults else f"{len(faults)} differences"
    survived = f"{chosen.recipe}: {len(instants)} kills survived ({told})"
    console.print(f"{survived}, {chosen.iterations} iterations: {verdict};"
                  f" {(time.monotonic() - started) / 60:.1f} minutes")  # fmt: skip
    return 1 if faults else 0


def furnish(place: Path, recipe: str) -> None:
    """Lay out what the option file reads; for another than the demo's a corner of each photograph is validated."""
    from photographs import SCALE, write_photographs

    photographs = place / "demo/out/photographs"
    write_photographs(photographs)
    for folder, side in (("val_lr", CORNER), ("val_hr", CORNER * SCALE)) if recipe != "demo" else ():
        for file in (photographs / folder).iterdir():
            cv2.imwrite(str(file), cv2.imread(str(file))[:side, :side])
    shutil.copytree(ROOT / "pretrained", place / "pretrained", ignore=shutil.ignore_patterns("*.md"))


def start(place: Path, chosen: argparse.Namespace, *, auto_resume: bool = False) -> subprocess.Popen[str]:
    """Begin the training below a folder."""
    recipe = RECIPES[chosen.recipe]
    overrides = {
        "name": NAME,
        "train:total_iter": chosen.iterations,
        "datasets:train:num_worker_per_gpu": chosen.workers,
        # a small epoch, so that some are ended
        "datasets:train:dataset_enlarge_ratio": 40,
        "logger:print_freq": 5,
        "logger:save_checkpoint_freq": 5,
        "logger:keep_last": 3,
        "val:val_freq": 50,
        "val:save_img": "false",
        **recipe.overrides(chosen),
    }
    command = [sys.executable, "-m", "usrda_plugin", "train", "-opt", str(ROOT / "options" / recipe.file)]
    command += ["--auto_resume"] * auto_resume
    command += ["--force_yml", *(f"{key}={value}" for key, value in overrides.items())]
    # one thread: on a machine that is busy a second one is waited for at every step
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (place / "screen.log").open("a") as log:
        return subprocess.Popen(command, cwd=place, stdout=log, stderr=subprocess.STDOUT, text=True, env=environment)


def finish(training: subprocess.Popen[str]) -> None:
    """Wait for the end, which must be a good one."""
    if training.wait():
        raise SystemExit(f"the training ended with {training.returncode}")


def kill_and_go_on(place: Path, chosen: argparse.Namespace, console: Console) -> list[str]:
    """Kill the training so many times; returns in what it was killed each time."""
    rng, instants = random.Random(chosen.seed), list[str]()
    while len(instants) < chosen.kills:
        seen = (place / "screen.log").stat().st_size if instants else 0
        training = start(place, chosen, auto_resume=bool(instants))
        kind = ("in a save", "in the start", "in the training")[min(len(instants) % 4, 2)]
        try:
            WAITS[kind](place, seen, training, rng)
            ended = training.poll()
        finally:
            training.kill()
            training.wait()
        if ended is not None:
            raise SystemExit(f"the training ended ({ended}) after {len(instants)} kills; say more --iterations")
        if kind == "in a save" and not half_written(place):
            kind = "beside a save"
        instants.append(kind)
        console.print(f"kill {len(instants):3} {kind:<16} last checkpoint {max(checkpoints(place), default=0)}")
        sys.stdout.flush()
    return instants


def in_the_start(place: Path, seen: int, training: subprocess.Popen[str], rng: random.Random) -> None:
    """Wait for some time that ends about when training begins."""
    time.sleep(rng.uniform(0, 6))


def in_the_training(place: Path, seen: int, training: subprocess.Popen[str], rng: random.Random) -> None:
    """Wait for the first losses since the log was so long, and then for some time."""
    wait_until(lambda: bool(LOGGED.search((place / "screen.log").read_text()[seen:])), training)
    time.sleep(rng.uniform(0, LONGEST))


def in_a_save(place: Path, seen: int, training: subprocess.Popen[str], rng: random.Random) -> None:
    """Wait until one of the next checkpoints is being written, or just has been."""
    wanted = 1 + rng.randrange(2)
    log = place / "screen.log"
    wait_until(lambda: log.read_text()[seen:].count("Saving models and training states") >= wanted, training, 0.001)
    time.sleep(rng.uniform(0, 0.04))


WAITS = {"in the start": in_the_start, "in the training": in_the_training, "in a save": in_a_save}


def wait_until(ready: Callable[[], bool], training: subprocess.Popen[str], pause: float = 0.02) -> None:
    """Wait until something is so, or the training has ended."""
    while not ready() and training.poll() is None:
        time.sleep(pause)


def checkpoints(place: Path) -> list[int]:
    """The iterations whose checkpoints are complete."""
    return [int(file.stem) for file in (place / "experiments" / NAME / "training_states").glob("*.json")]


def half_written(place: Path) -> bool:
    """Whether a killed process was in the middle of a checkpoint."""
    run = place / "experiments" / NAME
    states = {file.stem for file in run.glob("training_states/*.more")}
    return any(run.rglob(".*.unfinished")) or len(states) > len(checkpoints(place))


def left_by(place: Path) -> Left:
    """What a run has left below a folder."""
    run = place / "experiments" / NAME
    kept = [*run.glob("models/*"), *run.glob("training_states/*"), run / "best.json", run / "signals.jsonl"]
    log = (place / "screen.log").read_text()
    hidden = [*run.parent.rglob(".*"), *run.parent.rglob("*_archived_*")]
    return Left(
        {str(file.relative_to(run)): sum_of(file) for file in kept if file.is_file()},
        {iteration: f"{rate} {losses}" for iteration, rate, losses in LOGGED.findall(log)},
        BEST.findall(log)[-3:],
        sorted(path.name for path in hidden),
    )


def sum_of(file: Path) -> str:
    """SHA-256 of what a file says: of tensors every bit; pickles of the same content may differ in how they refer."""
    if file.parent.name == "training_states" and file.suffix == ".json":
        return " ".join(json.loads(file.read_text())["files"])
    digest = hashlib.sha256()
    if file.suffix in (".pth", ".state", ".more"):
        digest_of(torch.load(file, map_location="cpu", weights_only=True), digest)
    else:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def digest_of(content: Any, digest: Any) -> None:
    """Add a value of a file to a digest, with its type."""
    if isinstance(content, dict):
        content = [part for pair in content.items() for part in pair]
    if isinstance(content, torch.Tensor):
        digest.update(f"{content.dtype} {tuple(content.shape)} ".encode())
        digest.update(content.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    elif isinstance(content, list | tuple):
        digest.update(f"{len(content)} ".encode())
        for part in content:
            digest_of(part, digest)
    else:
        digest.update(f"{type(content).__name__} {content!r} ".encode())


def differences(whole: Left, killed: Left) -> list[str]:
    """A line for each thing that is not the same, or should not be there."""
    lines = [f"{name}: {'missing' if name not in killed.files else 'different'}" for name, value in whole.files.items()
             if killed.files.get(name) != value]  # fmt: skip
    lines += [f"{name}: only in the killed run" for name in killed.files if name not in whole.files]
    lines += [f"losses of iteration {name}: {killed.losses.get(name)} instead of {value}" for name, value
              in whole.losses.items() if killed.losses.get(name) != value]  # fmt: skip
    lines += [] if whole.best == killed.best else [f"best metrics: {killed.best} instead of {whole.best}"]
    return lines + [f"left behind: {name}" for name in killed.leftovers]


if __name__ == "__main__":
    sys.exit(main())

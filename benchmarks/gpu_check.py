"""`make gpu-check`: all that needs a CUDA device, in one run and without a download.

The tests marked `gpu`, the speed tables (every benchmark on the GPU, figures in benchmarks/out), the demo, 200
iterations of train_usrda.yml at full network size, 20 of train_realesrgan.yml; prints iterations per second, peak
memory and losses. `--only` takes some of these, or `adaptation`, the benchmark's scale `full`. On a machine without
CUDA it says so and exits with 2; `--tiny` runs the same trainings at a size that any machine can do, to see that the
command itself is sound.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

import usrda_plugin

ROOT = Path(__file__).parents[1]
OUT = ROOT / "demo/out"
PHOTOGRAPHS = OUT / "photographs"
FIGURES = ROOT / "benchmarks/out"

# the demo's photographs serve as data, networks start from random weights; nothing is validated and nothing is written
# but the run's own folder
HERE = [
    f"datasets:train:dataroot_gt={PHOTOGRAPHS / 'source_hr'}",
    "datasets:val=null",
    "val=null",
    "logger:use_tb_logger=false",
    "logger:print_freq=10",
    "logger:save_checkpoint_freq=100000",
    "path:pretrain_network_g=null",
]
TRAININGS: dict[str, tuple[int, list[str]]] = {
    "train_usrda.yml": (200, [f"datasets:train:dataroot_target={PHOTOGRAPHS / 'target_lr'}", "train:psnr_iter=0"]),
    "train_realesrgan.yml": (20, [f"datasets:train:meta_info={OUT / 'meta_info.txt'}"]),
}
TINY = {
    "train_usrda.yml": ["network_g:num_feat=8", "network_g:num_block=1", "network_g:num_block_lr_decoder=1",
                        "network_d_f:num_in_ch=8", "datasets:train:batch_size_per_gpu=1"],
    "train_realesrgan.yml": ["network_g:num_feat=8", "network_g:num_block=1", "network_d:num_feat=8",
                             "datasets:train:batch_size_per_gpu=1", "queue_size=2", "datasets:train:gt_size=64",
                             "gt_size=64"],
}  # fmt: skip


def speed(benchmark: str, *arguments: str) -> list[str]:
    """The command of a benchmark on the GPU, which leaves its figures in benchmarks/out."""
    figures = FIGURES / f"{benchmark}.json"
    return [sys.executable, f"benchmarks/{benchmark}.py", "--device", "cuda", "--json", str(figures), *arguments]


CHECKS = {
    "tests": [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "tests"],
    "train_step": speed("train_step"),
    "validation": speed("validation"),
    "upscale": speed("upscale"),
    "loader": speed("loader", "--wait"),
    "demo": [sys.executable, "demo/run.py"],
}
UNASKED = tuple(CHECKS)
# ten minutes, and photographs that $USRDA_SHARED_DATA names: run where --only names it
CHECKS["adaptation"] = [
    sys.executable,
    "benchmarks/adaptation/run.py",
    "--scale",
    "full",
    "--jobs",
    "4",
    "--threads",
    "3",
]


def main() -> int:
    """Run everything and print one table; 0 if all went well, 1 if something failed, 2 without CUDA."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=[*CHECKS, "trainings"], help="leave out the rest")
    parser.add_argument("--tiny", action="store_true", help="small networks, three iterations, any device, no demo")
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        return measure(*arguments.one)
    if not arguments.tiny and not torch.cuda.is_available():
        print(
            "gpu-check: expected a CUDA device, found none; install a CUDA build of torch, or try --tiny",
            file=sys.stderr,
        )
        return 2
    console = Console()
    prepare()
    wanted = arguments.only or [*UNASKED, "trainings"]
    checks = {} if arguments.tiny else {name: command for name, command in CHECKS.items() if name in wanted}
    failed = [name for name, command in checks.items() if run(console, name, command)]
    if "trainings" in wanted:
        figures = {option_file: train(console, option_file, arguments.tiny) for option_file in TRAININGS}
        print_figures(console, figures)
        failed += [option_file for option_file, figure in figures.items() if not figure]
    console.print(f"[red]failed: {', '.join(failed)}[/]" if failed else "[green]all went well[/]")
    return 1 if failed else 0


def run(console: Console, name: str, command: Sequence[str]) -> int:
    """Run a command with its output shown; returns its exit code."""
    console.rule(name)
    FIGURES.mkdir(exist_ok=True)
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def prepare() -> None:
    """Write what the trainings read: the demo's photographs, a meta-info file, VGG weights if none are found."""
    sys.path.insert(0, str(ROOT / "demo"))
    from photographs import write_photographs
    from torchvision.models import vgg19

    from usrda_plugin.losses import find_vgg_weights

    write_photographs(PHOTOGRAPHS)
    names = sorted(path.name for path in (PHOTOGRAPHS / "source_hr").iterdir())
    (OUT / "meta_info.txt").write_text("".join(f"{name}\n" for name in names))
    try:
        find_vgg_weights()
    except FileNotFoundError:
        # random weights cost the same time and memory, which is what is measured here
        file = OUT / "vgg19_random.pth"
        torch.save({f"features.{key}": value for key, value in vgg19().features.state_dict().items()}, file)
        os.environ["USRDA_VGG_WEIGHTS"] = str(file)


def train(console: Console, option_file: str, tiny: bool) -> dict[str, Any]:
    """Train in a process of its own, so that its peak memory is its own; returns its figures, none where it failed."""
    iterations, overrides = TRAININGS[option_file]
    console.rule(option_file)
    overrides = [*HERE, *overrides, f"train:total_iter={3 if tiny else iterations}"]
    if tiny:
        overrides += [*TINY[option_file], "datasets:train:num_worker_per_gpu=0", "logger:print_freq=1"]
    command = [sys.executable, __file__, "--one", option_file, *overrides]
    done = subprocess.run(command, cwd=OUT, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        console.print(done.stdout[-3000:], highlight=False, markup=False)
        return {}
    return json.loads(done.stdout.splitlines()[-1])


def measure(option_file: str, *overrides: str) -> int:
    """Train by BasicSR's runner in this process and print one line of JSON: speed, peak memory, last losses."""
    usrda_plugin.register()  # before BasicSR, which it mends
    from basicsr.utils import logger

    from usrda_plugin.training import launch

    logged: list[dict[str, Any]] = []
    report = logger.MessageLogger.__call__
    logger.MessageLogger.__call__ = lambda self, log_vars: (logged.append(dict(log_vars)), report(self, log_vars))
    launch.train(ROOT / "options" / option_file, overrides=overrides)
    later = logged[len(logged) // 2 :]  # the first half warms up
    losses = {key: value for key, value in logged[-1].items() if key.startswith("l_")}
    peak = torch.cuda.max_memory_allocated() / 2**30 if torch.cuda.is_available() else float("nan")
    rate = len(later) / sum(entry["time"] for entry in later)
    print(json.dumps({"iterations per second": rate, "peak memory, GiB": peak, **losses}))
    return 0


def print_figures(console: Console, figures: dict[str, dict[str, Any]]) -> None:
    """Print a column for each training."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    table = Table("figure", *figures, title=f"{device}, torch {torch.__version__}")
    for name in dict.fromkeys(name for figure in figures.values() for name in figure):
        table.add_row(name, *(f"{figure[name]:.4g}" if name in figure else "" for figure in figures.values()))
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())

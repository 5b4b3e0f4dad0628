"""How long a training step waits for its batch, in BasicSR's own runner."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
WARM_UP = 3  # steps that do not count: memory is allocated, workers start
RUN = (
    *("datasets:val=null", "val=null", "logger:use_tb_logger=false", "logger:print_freq=1000000"),
    *("logger:save_checkpoint_freq=1000000", "path:pretrain_network_g=null", "train:psnr_iter=0"),
    "datasets:train:degradation=bicubic",  # photographs may be smaller than those that a camera can be estimated from
)
NETWORKS = {"demo": "demo_usrda.yml", "full": "train_usrda.yml"}
STEPS = {"cpu": {"demo": 60, "full": 8}, "cuda": {"demo": 400, "full": 100}}


def waits(console: Console, chosen: argparse.Namespace) -> dict[str, Any]:
    """Train each network from each storage, in processes of their own; returns what each waited."""
    from feeding import SETS, TINY, write_set

    figures: dict[str, Any] = {}
    with TemporaryDirectory() as folder:
        write_set(Path(folder), TINY if chosen.tiny else SETS[0])
        vgg = random_vgg(Path(folder))
        for network in ("demo",) if chosen.tiny else NETWORKS:
            for name, storage in (("folder of PNG", "png"), ("LMDB of whole images, ppm", "ppm.lmdb")):
                roots = [f"datasets:train:dataroot_{key}={folder}/{kind}_{storage}" for key, kind in
                         (("gt", "hr"), ("target", "lr"))]  # fmt: skip
                console.print(f"{network} network, {name} ...")
                figures[f"{network}, {name}"] = in_own_process(network, roots, vgg, chosen)
    print_table(console, figures)
    return figures


def in_own_process(network: str, roots: list[str], vgg: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """What one training waited; nothing where it failed."""
    steps = 6 if chosen.tiny else chosen.steps or STEPS[chosen.device][network]
    batch = chosen.batch or (1 if network == "full" and chosen.device == "cpu" else None)
    overrides = [*roots, f"train:total_iter={steps + WARM_UP}", f"num_gpu={int(chosen.device == 'cuda')}"]
    overrides += [f"datasets:train:num_worker_per_gpu={(chosen.workers or [2])[0]}"]
    # what is decoded shall be decoded again: a training meets far more photographs than these
    overrides += ["datasets:train:cache_in_memory=false"]
    overrides += [f"datasets:train:batch_size_per_gpu={batch}"] if batch else []
    command = [sys.executable, str(Path(__file__).parent / "loader.py"), "--one", network, *overrides]
    command += [f"threads={chosen.threads}"] if chosen.threads else []
    environment = {**os.environ, "USRDA_VGG_WEIGHTS": str(vgg)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        print(done.stderr[-3000:], file=sys.stderr)
        return {}
    return json.loads(done.stdout.splitlines()[-1])


def measure(network: str, *overrides: str) -> dict[str, float]:
    """Train by BasicSR's runner in this process and tell the time of its steps and of their waits."""
    from basicsr.data.prefetch_dataloader import CPUPrefetcher, CUDAPrefetcher

    from usrda_plugin.training import launch

    threads = [value.removeprefix("threads=") for value in overrides if value.startswith("threads=")]
    if threads:
        torch.set_num_threads(int(threads[0]))
    asked, given = [], []

    def timed(fetch):
        def next_batch(self):
            if torch.cuda.is_available():
                torch.cuda.synchronize()  # a step ends where the device has done it
            asked.append(time.perf_counter())
            batch = fetch(self)
            given.append(time.perf_counter())
            return batch

        return next_batch

    for prefetcher in (CPUPrefetcher, CUDAPrefetcher):
        prefetcher.next = timed(prefetcher.next)
    changes = [*RUN, *(value for value in overrides if not value.startswith("threads="))]
    with TemporaryDirectory() as root:
        launch.train(ROOT / "options" / NETWORKS[network], overrides=changes, root=root)
    steps = [later - earlier for earlier, later in pairwise(asked)][WARM_UP:]
    waited = [end - start for start, end in zip(asked, given, strict=True)][WARM_UP:-1]
    shares = [wait / step for wait, step in zip(waited, steps, strict=True)]
    return {
        "step_seconds": median(steps),
        "wait_share_median": median(shares),
        "wait_share_mean": sum(waited) / sum(steps),
        "first_batch_seconds": given[0] - asked[0],
    }


def random_vgg(folder: Path) -> Path:
    """A VGG-19 that costs the same time as the trained one."""
    from torchvision.models import vgg19

    file = folder / "vgg19_random.pth"
    torch.save({f"features.{key}": value for key, value in vgg19().features.state_dict().items()}, file)
    return file


def print_table(console: Console, figures: dict[str, Any]) -> None:
    """A row for each training."""
    columns = ("network and storage", "step", "wait, median", "wait, mean", "first batch")
    table = Table(*columns, title="wait for data, share of a step")
    for name, figure in figures.items():
        if not figure:
            table.add_row(name, "failed")
            continue
        shares = (f"{100 * figure[key]:.2f} %" for key in ("wait_share_median", "wait_share_mean"))
        table.add_row(
            name, f"{1000 * figure['step_seconds']:.0f} ms", *shares, f"{figure['first_batch_seconds']:.2f} s"
        )
    console.print(table)

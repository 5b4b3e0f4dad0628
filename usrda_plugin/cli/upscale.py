"""``usrda upscale``: images through a trained network."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from usrda_plugin.inference import (
    Job,
    Naming,
    Tiling,
    Upscaler,
    Watcher,
    keep_freed_memory,
    list_images,
    plan_jobs,
    upscale_files,
    without_results,
)
from usrda_plugin.inference.jobs import Existing
from usrda_plugin.interop import Identified, build, identify
from usrda_plugin.runner.errors import SetupError
from usrda_plugin.runner.options.inheritance import read_chain
from usrda_plugin.runner.plugins import load_plugins
from usrda_plugin.weights import shown_path


def run(chosen: argparse.Namespace) -> None:
    """Upscale the images. Raises SetupError for what the user can mend, at the end for images that failed."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    Image.MAX_IMAGE_PIXELS = None  # the user's own images are as large as they are
    keep_freed_memory()
    try:
        jobs = _jobs(chosen, console)
        if not jobs:
            console.print("nothing to do: all results are there")
            return
        identified, upscaler = _open(chosen)
    except (ValueError, OSError) as error:
        raise SetupError(str(error)) from error
    console.print(_spelt(identified, upscaler), markup=False)
    begun = time.perf_counter()
    with _progress(console, jobs) as watcher:
        failures = upscale_files(jobs, upscaler, alpha_by=chosen.alpha, watcher=watcher)
    seconds = time.perf_counter() - begun
    done = len(jobs) - len(failures)
    console.print(f"{_count(done)} upscaled into {chosen.output}, in {seconds:.1f} s", markup=False)
    if failures:
        listed = "".join(f"\n  {failure}" for failure in failures)
        raise SetupError(f"{len(failures)} of {_count(len(jobs))} failed:{listed}")


def _jobs(chosen: argparse.Namespace, console: Console) -> list[Job]:
    existing: Existing = "skip" if chosen.skip_existing else "overwrite" if chosen.overwrite else "refuse"
    if chosen.output.exists() and not chosen.output.is_dir():
        raise ValueError(f"{chosen.output}: expected a folder for results, found a file")
    naming = Naming(chosen.suffix, chosen.ext, existing)
    found = list_images(chosen.input)
    images = without_results(found, chosen.output, naming)
    if len(images) < len(found):
        console.print(f"{_count(len(found) - len(images))} left out: results, by name or place", markup=False)
    return plan_jobs(images, chosen.output, naming)


def _open(chosen: argparse.Namespace) -> tuple[Identified, Upscaler]:
    load_plugins(chosen.plugin)
    identified = identify(chosen.weights, description=_network_g(chosen.opt), param_key=chosen.param_key)
    tiling = Tiling(chosen.tile or "none", chosen.overlap, chosen.batch)
    upscaler = Upscaler(build(identified), tiling, device=chosen.device, precision=chosen.precision)
    if chosen.compile:
        upscaler.engine.compile()
    if chosen.self_ensemble:
        upscaler.engine.ensemble()
    return identified, upscaler


def _network_g(opt_file: str | None) -> dict[str, Any] | None:
    if opt_file is None:
        return None
    network = read_chain(Path(opt_file)).opt.get("network_g")
    if not isinstance(network, dict):
        raise ValueError(
            f"{opt_file}: expected a block network_g, found {network!r}; give the option file of a training"
        )
    return network


def _spelt(identified: Identified, upscaler: Upscaler) -> str:
    told = {
        "option file": "as the option file says",
        "file": "as the file says",
        "weights": "recognised by its weights",
    }
    below = f" below {identified.key!r}" if identified.key else ""
    engine, tiled = upscaler.engine, upscaler.tiled
    return (
        f"{shown_path(identified.file)}{below}: {identified.description['type']} x{upscaler.scale},"
        f" {told[identified.told_by]}; {engine.device}, {engine.precision}, overlap {tiled.overlap}"
    )


@contextmanager
def _progress(console: Console, jobs: list[Job]) -> Iterator[Watcher]:
    """Two bars where there is a terminal: images, and the tiles of the one at work."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        images = bars.add_task("images", total=len(jobs))
        tiles = bars.add_task("tiles", total=None)
        yield Watcher(
            begin=lambda job: bars.reset(tiles, description=job.source.name, total=None),
            tiles=lambda done, count: bars.update(tiles, completed=done, total=count),
            end=lambda job, pixels: bars.advance(images),
        )


def _count(number: int) -> str:
    return "1 image" if number == 1 else f"{number} images"

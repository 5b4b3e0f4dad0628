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


def run(chosen: argparse.Namespace) -> None:
    """Upscale the images. Raises SetupError for what the user can mend, at the end for images that failed."""
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    Image.MAX_IMAGE_PIXELS = None  # the user's own images are as large as they are
    keep_freed_memory()
    try:
        listing, plan = _plan(chosen, console)
        if not plan.jobs:
            _end(listing, [], console)
            console.print("nothing to do: all results are there")
            return
        identified, upscaler = _open(chosen)
    except (ValueError, OSError) as error:
        raise SetupError(str(error)) from error
    console.print(printable(_spelt(identified, upscaler)))
    begun = time.perf_counter()
    report = _upscale(chosen, plan.jobs, upscaler, console)
    seconds = time.perf_counter() - begun
    failed = [*listing.faults.values(), *map(str, report.failures)]
    done = len(plan.jobs) - len(report.failures) - len(report.not_begun)
    others = {"left out": len(listing.left_out), "skipped": len(plan.skipped), "failed": len(failed)}
    counted = ", ".join(f"{number} {what}" for what, number in others.items() if number)
    end = f"; {counted}" if counted else ""
    console.print(printable(f"{_count(done)} upscaled into {chosen.output}, in {seconds:.1f} s{end}"))
    
    if failures:
        listed = "".join(f"\n  {failure}" for failure in failures)
        raise SetupError(f"{len(failures)} of {_count(len(jobs))} failed:{listed}")


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
        f"{identified.file}{below}: {identified.description['type']} x{upscaler.scale}, {told[identified.told_by]};"
        f" {engine.device}, {engine.precision}, overlap {tiled.overlap}"
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

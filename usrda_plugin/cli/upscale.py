"""``usrda upscale``: images through a trained network."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from usrda_plugin.archs.opening import Identified, build, identify
from usrda_plugin.cli.exits import printable
from usrda_plugin.cli.terminal import plain_console
from usrda_plugin.compat.plugins import load_plugins
from usrda_plugin.data.pictures import LOSSY
from usrda_plugin.errors import SetupError
from usrda_plugin.inference import (
    Existing,
    Job,
    Listing,
    Naming,
    Plan,
    ProgressCallbacks,
    Report,
    Tiling,
    Upscaler,
    exclude_outputs,
    keep_freed_memory,
    list_images,
    plan_jobs,
    upscale_files,
)
from usrda_plugin.options.inheritance import read_chain
from usrda_plugin.threads import crowded_threads
from usrda_plugin.weights import shown, shown_path, some


class Work(NamedTuple):
    """What the places hold, and what is to be done of it."""

    listing: Listing
    plan: Plan


def run(chosen: argparse.Namespace) -> None:
    """Upscale the images. Raises SetupError for what the user can mend, at the end for images that failed."""
    console = plain_console(stderr=True)
    Image.MAX_IMAGE_PIXELS = None  # the user's own images are as large as they are
    keep_freed_memory()
    try:
        work = _plan(chosen, console)
        if not work.plan.jobs:
            _end(work, Report([], []), console)
            console.print("nothing to do: all results are there")
            return
        identified, upscaler = _open(chosen)
    except (ValueError, OSError) as error:
        raise SetupError(str(error)) from error
    console.print(printable(_spelt(identified, upscaler)))
    crowded = crowded_threads() if upscaler.engine.device.type == "cpu" else None
    if crowded:
        console.print(crowded)
    begun = time.perf_counter()
    report = _upscale(chosen, work.plan.jobs, upscaler, console)
    done = len(work.plan.jobs) - len(report.failures) - len(report.not_begun)
    beside = {
        "left out": len(work.listing.left_out),
        "skipped": len(work.plan.skipped),
        "failed": len(work.listing.faults) + len(report.failures),
    }
    counted = ", ".join(f"{number} {what}" for what, number in beside.items() if number)
    seconds = time.perf_counter() - begun
    console.print(
        printable(f"{_count(done)} upscaled into {chosen.output}, in {seconds:.1f} s{counted and '; '}{counted}")
    )
    _end(work, report, console)


def _plan(chosen: argparse.Namespace, console: Console) -> Work:
    """What is to be done; prints what is not. Raises ValueError or OSError for what has to be settled first."""
    existing: Existing = "skip" if chosen.skip_existing else "overwrite" if chosen.overwrite else "refuse"
    naming = Naming(chosen.suffix, chosen.ext, existing)
    listing = list_images(chosen.input, recursive=chosen.recursive)
    images = exclude_outputs(listing.images, chosen.output, naming)
    plan = plan_jobs(images, chosen.output, naming)
    results = len(listing.images) - len(images)
    notes = []
    if listing.left_out:
        notes.append(f"left out: {', '.join(listing.reasons())}")
    if results:
        notes.append(f"{_count(results)} left out: results, by name or place")
    if plan.jobs and plan.skipped:
        notes.append(f"{_count(len(plan.skipped))} skipped: their results are there")
    if plan.renamed:
        pairs = some((f"{job.source} as {job.target.name}" for job in plan.renamed), spell=str)
        notes.append(f"{_count(len(plan.renamed))} named apart, as results would have met: {pairs}")
    if chosen.quality and not any(job.target.suffix.lower() in LOSSY for job in plan.jobs):
        notes.append("--quality changes nothing here: no result is a JPEG or a WebP")
    for line in notes:
        console.print(printable(line))
    return Work(listing, plan)


def _upscale(chosen: argparse.Namespace, jobs: Sequence[Job], upscaler: Upscaler, console: Console) -> Report:
    done = 0
    with _progress(console, jobs) as callbacks:

        def end(job: Job, pixels: int) -> None:
            nonlocal done
            done += pixels > 0
            callbacks.end(job, pixels)

        try:
            return upscale_files(
                jobs, upscaler, alpha_by=chosen.alpha, quality=chosen.quality, callbacks=callbacks._replace(end=end)
            )
        except KeyboardInterrupt:
            console.print(f"{done} of {_count(len(jobs))} upscaled; go on with --skip-existing")
            raise


def _end(work: Work, report: Report, console: Console) -> None:
    """Raise SetupError that names all that failed, if anything did."""
    failed = [*work.listing.faults.values(), *map(str, report.failures)]
    if not failed:
        return
    number = len(work.plan.jobs) + len(work.listing.faults)
    stopped = ""
    if report.not_begun:
        left = _count(len(report.not_begun))
        stopped = f"\nthe disk is full, {left} not begun; make room and go on with --skip-existing"
    listed = "".join(f"\n  {failure}" for failure in failed)
    raise SetupError(f"{len(failed)} of {_count(number)} failed:{listed}{stopped}")


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
    source = {
        "option file": "as the option file says",
        "file": "as the file says",
        "weights": "recognised by its weights",
    }
    below = f" below '{shown(identified.key)}'" if identified.key else ""
    engine, tiled = upscaler.engine, upscaler.tiled
    cut = "whole images" if tiled.size == "none" else f"overlap {tiled.overlap}"
    return (
        f"{shown_path(identified.file)}{below}: {identified.description['type']} x{upscaler.scale},"
        f" {source[identified.described_by]}; {engine.device}, {engine.precision}, {cut}"
    )


@contextmanager
def _progress(console: Console, jobs: Sequence[Job]) -> Iterator[ProgressCallbacks]:
    """Two bars where there is a terminal: images, and the tiles of the one at work."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        images = bars.add_task("images", total=len(jobs))
        tiles = bars.add_task("tiles", total=None)
        yield ProgressCallbacks(
            begin=lambda job: bars.reset(tiles, description=printable(job.source.name), total=None),
            tiles=lambda done, count: bars.update(tiles, completed=done, total=count),
            end=lambda job, pixels: bars.advance(images),
            note=lambda job, text: console.print(printable(f"{job.source}: {text}")),
        )


def _count(number: int) -> str:
    return "1 image" if number == 1 else f"{number} images"

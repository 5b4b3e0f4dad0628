"""``adapt``: from a folder of photographs to a network adapted to their camera, its camera, its report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from usrda_plugin.adaptation.budget import format_duration, parse_budget
from usrda_plugin.adaptation.crops import validation_crops
from usrda_plugin.adaptation.ending import Ending, choose_end
from usrda_plugin.adaptation.found import Survey
from usrda_plugin.adaptation.network_file import write_network
from usrda_plugin.adaptation.option_file import MEASUREMENTS, Inputs, Schedule, write_option_file
from usrda_plugin.adaptation.photographs import Progress, survey
from usrda_plugin.adaptation.results import of_gap, write_results
from usrda_plugin.adaptation.sources import Source, find_source
from usrda_plugin.adaptation.starts import Start, find_start
from usrda_plugin.adaptation.trial import seconds_per_iteration
from usrda_plugin.adaptation.workspace import Workspace
from usrda_plugin.archs.opening import open_network
from usrda_plugin.data.camera import Camera
from usrda_plugin.data.camera_estimation import estimate_from_files
from usrda_plugin.data.pictures import Picture, write_picture
from usrda_plugin.errors import TrainingError
from usrda_plugin.evaluation import measure_gap
from usrda_plugin.monitoring.history import read_measurements
from usrda_plugin.training.launch import train
from usrda_plugin.weights.writing import write_text

PATCH, BATCH = 96, 8
"""HR pixels a side, and samples of an iteration."""
CROPS, CROP = 16, 160
"""Crops of the photographs on which is measured, and their sides in LR pixels."""
AFTERWARDS = 75.0
"""Seconds kept for what follows the training: the gap again, and the report."""
FEWEST, MOST = 100, 200_000
"""Iterations."""
LEAST = 40
"""LR pixels a side that a photograph must have at least: patches of 32, and what a camera's blur takes off."""
TRIED = 100
"""Iterations that the option file says while the time of one is measured."""

Tell = Callable[[str], None]


class Adapted(NamedTuple):
    """What an adaptation leaves: the folder, the network's file (None after a dry run), the camera, the option file."""

    folder: Path
    network: Path | None
    camera: Camera
    option_file: Path
    report: Path | None
    iterations: int


class _Job(NamedTuple):
    """What is known when the arguments have been checked."""

    photographs: Survey
    start: Start
    source: Source
    budget: float
    seed: int
    place: Workspace
    tell: Tell


def adapt(
    photographs: str | Path,
    *,
    scale: int | None = None,
    start: str | Path | None = None,
    source: str | Path | None = None,
    budget: str | float = "10m",
    output: str | Path | None = None,
    seed: int = 0,
    dry_run: bool = False,
    tell: Tell = print,
    progress: Progress = iter,
) -> Adapted:
    """Adapt a super-resolution network to the camera of the photographs in a folder, without ground truth.

    Args:
        photographs: folder of photographs of one camera; subfolders are taken.
        scale: HR size over LR size; default 2, or that of ``start``.
        start: file of the network to start from (USRDANet or RRDBNet); default: one that comes with the package.
        source: folder of clean HR photographs; default: those installed with scikit-image.
        budget: time for all of it, in seconds or as "10m", "2h".
        output: folder of the results, by default runs/NAME_xSCALE; the same arguments go on where they were broken off.
        seed: of the training.
        dry_run: stop when the option file is written.
        tell: called with a sentence for each thing that is found or done.
        progress: gives the photographs one by one as they are looked at, as ``rich.progress.track`` does.

    Raises:
        SetupError: what was given cannot be used.
        TrainingError: the training cannot go on, or was stopped; the same call goes on.
    """
    begun = time.monotonic()
    seconds = parse_budget(str(budget))
    network = find_start(_path(start), scale)
    learnt_from = find_source(_path(source), PATCH)
    found = survey(Path(photographs), least_side=max(PATCH // network.scale, LEAST), progress=progress)
    name = f"{Path(photographs).resolve().name or 'photographs'}_x{network.scale}"
    place = Workspace((_path(output) or Path("runs") / name).resolve(), name)
    place.claim({
        "photographs": str(Path(photographs).resolve()), "scale": network.scale, "start": str(network.file),
        "source": None if learnt_from.bundled else str(learnt_from.root), "budget": seconds, "seed": seed,
    })  # fmt: skip
    if place.is_finished:
        tell(f"Done already: {place.network}; report: {place.report}. For another adaptation give another --output.")
        return _adapted(place, Camera.load(place.camera), place.read()["iterations"])
    place.update(timing={"photographs": round(time.monotonic() - begun, 1)})
    job = _Job(found, network, learnt_from, seconds, seed, place, tell)
    for sentence in [*found.sentences(), *learnt_from.sentences()]:
        tell(sentence)
    _record(job)
    camera = _camera(job)
    iterations = _plan(job)
    if dry_run:
        tell(f"Nothing is trained yet. The option file is {place.option_file}; without --dry-run this goes on.")
        return Adapted(place.folder, None, camera, place.option_file, None, iterations)
    _train(job, iterations)
    ending = _export(job, iterations)
    with _timed(place, "results"):
        write_results(place, found, network, learnt_from, ending, tell)
    place.update(finished=True)
    tell(f"Report: {place.report}; open it in a browser.")
    return _adapted(place, camera, iterations)


def _adapted(place: Workspace, camera: Camera, iterations: int) -> Adapted:
    return Adapted(place.folder, place.network, camera, place.option_file, place.report, iterations)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def _record(job: _Job) -> None:
    """Write down what is used, and how far it is from what the start has learnt from."""
    place, files = job.place, [photograph.path for photograph in job.photographs.used]
    place.update(
        photographs=job.photographs.to_dict(),
        scale=job.start.scale,
        source=job.source.describe(),
        start={"name": job.start.file.stem, "file": str(job.start.file)},
        camera=place.camera.name,
    )
    if "gap" not in place.read():
        with _timed(place, "gap"):
            gap = measure_gap(job.source.files, files, open_network(job.start.file), job.start.scale, job.seed)
        place.update(gap={**of_gap(gap), "verdict": gap.verdict()})
    job.tell(f"Domain gap, from bicubic source to these photographs: {place.read()['gap']['verdict']}.")


def _camera(job: _Job) -> Camera:
    """The camera's estimate, made once; and the crops and the list that the option file names."""
    place, used = job.place, job.photographs.used
    if not place.camera.exists():
        with _timed(place, "camera"):
            files = [photograph.path for photograph in used]
            estimate = estimate_from_files(files, job.source.files, scale=job.start.scale, seed=job.seed)
            estimate.camera.save(place.camera)
    camera = Camera.load(place.camera)
    job.tell(f"Camera, estimated from {_count(len(used), 'photograph')}: {camera.describe()}.")
    write_text(place.source_list, "".join(f"{name}\n" for name in job.source.names))
    for number, crop in enumerate(validation_crops(job.photographs, CROPS, CROP)):
        write_picture(place.crops / f"{number:02d}.png", Picture(crop.levels))
    return camera


def _plan(job: _Job) -> int:
    """Write the option file, with as many iterations as the budget has time for; returns their number."""
    place = job.place
    iterations = place.read().get("iterations")
    if iterations is None:
        with _timed(place, "trial"):
            _write_options(job, TRIED, timed=False)
            seconds = seconds_per_iteration(place.option_file)
        spent = sum(place.read()["timing"].values())
        fitting = int(np.clip((job.budget - spent - AFTERWARDS) / seconds, FEWEST, MOST))
        iterations = fitting // MEASUREMENTS * MEASUREMENTS or fitting  # so that the last one is saved
        _write_options(job, iterations, timed=True)
        place.update(iterations=iterations, seconds_per_iteration=seconds)
    seconds = place.read()["seconds_per_iteration"]
    whole = format_duration(iterations * seconds + AFTERWARDS)
    job.tell(f"Training: {iterations} iterations of {seconds:.2g} s; with the report {whole}, on this machine.")
    return int(iterations)


def _write_options(job: _Job, iterations: int, *, timed: bool) -> None:
    place = job.place
    inputs = Inputs(
        source=job.source.root,
        source_list=place.source_list,
        source_count=len(job.source.names),
        camera=place.camera,
        target=place.crops,
        validation=place.crops,
        photographs=len(job.photographs.used),
        side=CROP,
    )
    schedule = Schedule(PATCH, BATCH, 0, iterations, job.seed, timed)
    write_option_file(place.option_file, place.name, job.start, inputs, schedule)


def _train(job: _Job, iterations: int) -> None:
    """Train, or go on. Raises TrainingError where it was asked to stop before the end."""
    place = job.place
    if _trained(place, iterations).exists():
        return
    with _timed(place, "training"):
        train(place.option_file, root=place.folder, auto_resume=True, go_on="the same command again")
    if not _trained(place, iterations).exists():
        raise TrainingError("stopped before the end; the same command goes on from where it is")


def _trained(place: Workspace, iteration: int) -> Path:
    return place.training / "models" / f"net_g_{iteration}.pth"


def _export(job: _Job, iterations: int) -> Ending:
    """Choose the network and write it under its name. Raises TrainingError where none is sound."""
    place = job.place
    ending = choose_end(read_measurements(place.training / "signals.jsonl"), iterations)
    if ending.iteration is None:
        raise TrainingError(
            f"no network of this training is sound: {ending.reason}; the start is better. Give more photographs, or "
            "another start"
        )
    kind = write_network(_trained(place, ending.iteration), place.network)
    job.tell(f"Network: {place.network} ({kind}), {ending.reason}.")
    return ending


@contextmanager
def _timed(place: Workspace, step: str) -> Iterator[None]:
    """Add what a step takes to the record, also where it is broken off."""
    begun = time.monotonic()
    try:
        yield
    finally:
        before = place.read().get("timing", {}).get(step, 0)
        place.update(timing={step: round(before + time.monotonic() - begun, 1)})


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"

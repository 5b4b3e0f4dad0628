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
from usrda_plugin.adaptation.workspace import Workspace, name_of
from usrda_plugin.archs.opening import open_network
from usrda_plugin.data.camera import Camera
from usrda_plugin.data.camera_estimation import estimate_from_files
from usrda_plugin.data.camera_file import CameraFileError
from usrda_plugin.data.pictures import Picture, write_picture
from usrda_plugin.errors import SetupError, TrainingError
from usrda_plugin.evaluation import measure_gap
from usrda_plugin.monitoring.history import read_measurements
from usrda_plugin.training.failures import setup_errors
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
LEAST = 64
"""LR pixels a side that a photograph must have at least: the gap is measured on crops of so many."""
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
    seconds, folder = parse_budget(str(budget)), Path(photographs)
    _check_seed(seed)
    network = find_start(_path(start), scale)
    _check_apart(folder, _path(source))
    learnt_from = find_source(_path(source), PATCH)
    name = name_of(folder, network.scale)
    place = Workspace((_path(output) or Path("runs") / name).resolve(), name)
    arguments = {
        "photographs": str(folder.resolve()), "scale": network.scale,
        "start": None if network.bundled else str(network.file),
        "source": None if learnt_from.bundled else str(learnt_from.root), "budget": seconds, "seed": seed,
    }  # fmt: skip
    if place.check(arguments) and place.is_finished:
        return _done_already(place, tell)
    found = survey(
        folder,
        least_side=max(PATCH // network.scale, LEAST),
        source=None if learnt_from.bundled else learnt_from.root,
        progress=progress,
    )
    with place.claimed(arguments):
        place.update(timing={"photographs": round(time.monotonic() - begun, 1)})
        return _adapt(_Job(found, network, learnt_from, seconds, seed, place, tell), dry_run=dry_run)


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**32:
        raise SetupError(f"expected a whole number from 0 to {2**32 - 1} as --seed, found {seed}; give another")


def _check_apart(photographs: Path, source: Path | None) -> None:
    """Raise SetupError where the photographs are themselves what is learnt from."""
    if source is not None and photographs.resolve().is_relative_to(source.resolve()):
        raise SetupError(
            f"--source: expected clean HR photographs in a folder of their own, found {source}, which has the "
            "photographs to adapt to; give another folder, or leave --source out"
        )


def _done_already(place: Workspace, tell: Tell) -> Adapted:
    with setup_errors():
        camera = Camera.load(place.camera)
    tell(f"Done already: {place.network}; report: {place.report}. For another adaptation give another --output.")
    return _adapted(place, camera, int(place.read().get("iterations", 0)))


def _adapt(job: _Job, *, dry_run: bool) -> Adapted:
    place, tell = job.place, job.tell
    for sentence in [*job.photographs.sentences(), *job.source.sentences()]:
        tell(sentence)
    with setup_errors():
        _record(job)
        camera = _camera(job)
        iterations = _plan(job)
    if dry_run:
        tell(f"Nothing is trained yet. The option file is {place.option_file}; without --dry-run this goes on.")
        return Adapted(place.folder, None, camera, place.option_file, None, iterations)
    _train(job, iterations)
    with _after_training():
        ending = _export(job, iterations)
        with _timed(place, "results"):
            write_results(place, job.photographs, job.start, job.source, ending, tell)
        place.update(finished=True)
    tell(f"Report: {place.report}; open it in a browser.")
    return _adapted(place, camera, iterations)


@contextmanager
def _after_training() -> Iterator[None]:
    """Raise TrainingError for what a person can mend: the training is whole."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise TrainingError(f"{error}; the training is done: mend this, then the same command goes on") from error


def _adapted(place: Workspace, camera: Camera, iterations: int) -> Adapted:
    return Adapted(place.folder, place.network, camera, place.option_file, place.report, iterations)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def _record(job: _Job) -> None:
    """Write down what is used, and how far it is from what the start has learnt from."""
    place, files = job.place, [photograph.path for photograph in job.photographs.used]
    _compare_with_before(job)
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


def _compare_with_before(job: _Job) -> None:
    """Where photographs were added, taken away or changed, measure anew. Raises SetupError where it trains already."""
    record, now = job.place.read(), job.photographs.to_dict()["files"]
    before = record.get("photographs", {}).get("files", now)
    others = sorted(name for name in now.keys() | before.keys() if now.get(name) != before.get(name))
    if not others:
        return
    if job.place.is_trained:
        raise SetupError(
            f"{job.photographs.folder}: expected the photographs with which the training began, found others "
            f"({len(others)} added, removed or changed; one is {others[0]}); put them back, or give another --output"
        )
    job.tell(f"{_count(len(others), 'photograph')} added, removed or changed since the last time: measured anew.")
    job.place.begin_anew(record["arguments"])


def _camera(job: _Job) -> Camera:
    """The camera's estimate, made once; and the crops and the list that the option file names."""
    place, used = job.place, job.photographs.used
    if not place.camera.exists():
        with _timed(place, "camera"):
            files = [photograph.path for photograph in used]
            estimate = estimate_from_files(files, job.source.files, scale=job.start.scale, seed=job.seed)
            estimate.camera.save(place.camera)
    camera = _load(place.camera)
    job.tell(f"Camera, estimated from {_count(len(used), 'photograph')}: {camera.describe()}.")
    write_text(place.source_list, "".join(f"{name}\n" for name in job.source.names))
    for number, crop in enumerate(validation_crops(job.photographs, CROPS, CROP)):
        write_picture(place.crops / f"{number:02d}.png", Picture(crop.levels))
    return camera


def _load(file: Path) -> Camera:
    try:
        return Camera.load(file)
    except CameraFileError as error:
        remedy = "delete it, then the same command estimates the camera again"
        raise SetupError(f"{error.message}; {remedy}") from error


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
    elif not place.option_file.exists():
        _write_options(job, iterations, timed=True)
    if _trained(place, iterations).exists():
        job.tell(f"Training: {iterations} iterations, done already.")
        return int(iterations)
    seconds = place.read()["seconds_per_iteration"]
    whole = iterations * seconds + AFTERWARDS
    duration = format_duration(whole)
    job.tell(f"Training: {iterations} iterations of {seconds:.2g} s; with the report {duration}, on this machine.")
    if iterations <= FEWEST and whole > job.budget:
        job.tell(f"That is longer than --budget: {iterations} iterations are the fewest that it trains.")
    if iterations >= MOST:
        job.tell(f"That is shorter than --budget: {iterations} iterations are the most that it trains.")
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
    write_option_file(place.option_file, place.training_name, job.start, inputs, schedule)


def _train(job: _Job, iterations: int) -> None:
    """Train, or go on. Raises TrainingError where it was asked to stop before the end."""
    place = job.place
    if _trained(place, iterations).exists():
        return
    with _timed(place, "training"):
        train(place.option_file, root=place.folder, auto_resume=True, go_on="the same command goes on")
    if not _trained(place, iterations).exists():
        raise TrainingError("the training was stopped before its end; the same command goes on from where it is")


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

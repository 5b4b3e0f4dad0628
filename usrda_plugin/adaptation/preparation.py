"""What comes before the training: the gap, the camera, an option file with the iterations that there is time for."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from usrda_plugin.adaptation.budget import format_duration
from usrda_plugin.adaptation.crops import validation_crops
from usrda_plugin.adaptation.found import counted
from usrda_plugin.adaptation.job import Job, timed
from usrda_plugin.adaptation.option_file import MEASUREMENTS, Inputs, Schedule, write_option_file
from usrda_plugin.adaptation.results import of_gap
from usrda_plugin.adaptation.trial import seconds_per_iteration
from usrda_plugin.archs.opening import open_network
from usrda_plugin.data.camera import Camera
from usrda_plugin.data.camera_estimation import estimate_from_files
from usrda_plugin.data.camera_file import CameraFileError
from usrda_plugin.data.pictures import Picture, write_picture
from usrda_plugin.errors import SetupError
from usrda_plugin.evaluation import measure_gap
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


def record_inputs(job: Job) -> None:
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
        with timed(place, "gap"):
            gap = measure_gap(job.source.files, files, open_network(job.start.file), job.start.scale, job.seed)
        place.update(gap={**of_gap(gap), "verdict": gap.verdict()})
    job.tell(f"Domain gap, from bicubic source to these photographs: {place.read()['gap']['verdict']}.")


def _compare_with_before(job: Job) -> None:
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
    job.tell(f"{counted(len(others))} added, removed or changed since the last time: measured anew.")
    job.place.begin_anew(record["arguments"])


def find_camera(job: Job) -> Camera:
    """The camera's estimate, made once; and the crops and the list that the option file names."""
    place, used = job.place, job.photographs.used
    if not place.camera.exists():
        with timed(place, "camera"):
            files = [photograph.path for photograph in used]
            estimate = estimate_from_files(files, job.source.files, scale=job.start.scale, seed=job.seed)
            estimate.camera.save(place.camera)
    camera = _load(place.camera)
    job.tell(f"Camera, estimated from {counted(len(used))}: {camera.describe()}.")
    write_text(place.source_list, "".join(f"{name}\n" for name in job.source.names))
    if len([*place.crops.glob("*.png")]) < min(CROPS, len(used)):  # photographs are large to decode again
        for number, crop in enumerate(validation_crops(job.photographs, CROPS, CROP)):
            write_picture(place.crops / f"{number:02d}.png", Picture(crop.levels))
    return camera


def _load(file: Path) -> Camera:
    try:
        return Camera.load(file)
    except CameraFileError as error:
        remedy = "delete it, then the same command estimates the camera again"
        raise SetupError(f"{error.message}; {remedy}") from error


def plan(job: Job) -> int:
    """Write the option file, with as many iterations as the budget has time for; returns their number."""
    place = job.place
    iterations = place.read().get("iterations")
    if iterations is None:
        with timed(place, "trial"):
            _write_options(job, TRIED, timed=False)
            seconds = seconds_per_iteration(place.option_file)
        spent = sum(place.read()["timing"].values())
        fitting = int(np.clip((job.budget - spent - AFTERWARDS) / seconds, FEWEST, MOST))
        iterations = fitting // MEASUREMENTS * MEASUREMENTS or fitting  # so that the last one is saved
        _write_options(job, iterations, timed=True)
        place.update(iterations=iterations, seconds_per_iteration=seconds)
    elif not place.option_file.exists():
        _write_options(job, iterations, timed=True)
    if place.trained(iterations).exists():
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


def _write_options(job: Job, iterations: int, *, timed: bool) -> None:
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

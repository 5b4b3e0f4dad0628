"""``adapt``: from a folder of photographs to a network adapted to their camera, its camera, its report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from usrda_plugin.adaptation import preparation
from usrda_plugin.adaptation.budget import parse_budget
from usrda_plugin.adaptation.ending import Ending, choose_end
from usrda_plugin.adaptation.job import Job, Tell, timed
from usrda_plugin.adaptation.network_file import write_network
from usrda_plugin.adaptation.photographs import Progress, survey
from usrda_plugin.adaptation.results import write_results
from usrda_plugin.adaptation.sources import find_source
from usrda_plugin.adaptation.starts import find_start
from usrda_plugin.adaptation.workspace import Workspace, name_of
from usrda_plugin.data.camera import Camera
from usrda_plugin.errors import SetupError, TrainingError
from usrda_plugin.monitoring.history import read_measurements
from usrda_plugin.training.failures import setup_errors
from usrda_plugin.training.launch import train


class Adapted(NamedTuple):
    """What an adaptation leaves: the folder, the network's file (None after a dry run), the camera, the option file."""

    folder: Path
    network: Path | None
    camera: Camera
    option_file: Path
    report: Path | None
    iterations: int


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
    learnt_from = find_source(_path(source), preparation.PATCH)
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
        least_side=max(preparation.PATCH // network.scale, preparation.LEAST),
        source=None if learnt_from.bundled else learnt_from.root,
        progress=progress,
    )
    with place.claimed(arguments):
        place.update(timing={"photographs": round(time.monotonic() - begun, 1)})
        return _adapt(Job(found, network, learnt_from, seconds, seed, place, tell), dry_run=dry_run)


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


def _adapt(job: Job, *, dry_run: bool) -> Adapted:
    place, tell = job.place, job.tell
    for sentence in [*job.photographs.sentences(), *job.source.sentences()]:
        tell(sentence)
    with setup_errors():
        preparation.record_inputs(job)
        camera = preparation.find_camera(job)
        iterations = preparation.plan(job)
    if dry_run:
        tell(f"Nothing is trained yet. The option file is {place.option_file}; without --dry-run this goes on.")
        return Adapted(place.folder, None, camera, place.option_file, None, iterations)
    _train(job, iterations)
    with _after_training():
        ending = _export(job, iterations)
        with timed(place, "results"):
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


def _train(job: Job, iterations: int) -> None:
    """Train, or go on. Raises TrainingError where it was asked to stop before the end."""
    place = job.place
    if place.trained(iterations).exists():
        return
    with timed(place, "training"):
        train(place.option_file, root=place.folder, auto_resume=True, go_on="the same command goes on")
    if not place.trained(iterations).exists():
        raise TrainingError("the training was stopped before its end; the same command goes on from where it is")


def _export(job: Job, iterations: int) -> Ending:
    """Choose the network and write it under its name. Raises TrainingError where none is sound."""
    place = job.place
    ending = choose_end(read_measurements(place.training / "signals.jsonl"), iterations)
    if ending.iteration is None:
        raise TrainingError(
            f"no network of this training is sound: {ending.reason}; the start is better. Give more photographs, or "
            "another start"
        )
    kind = write_network(place.trained(ending.iteration), place.network)
    job.tell(f"Network: {place.network} ({kind}), {ending.reason}.")
    return ending

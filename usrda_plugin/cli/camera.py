"""``usrda camera``: a camera's blur and noise found in its photographs, and LR images made by them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from usrda_plugin.adaptation.camera import Found, estimate_camera_of
from usrda_plugin.cli.exits import printable
from usrda_plugin.cli.terminal import passing_bar, plain_console
from usrda_plugin.data.camera import Camera
from usrda_plugin.data.camera_file import SUFFIX
from usrda_plugin.data.camera_pictures import take_picture
from usrda_plugin.data.camera_plot import FORMATS, plotted
from usrda_plugin.errors import SetupError
from usrda_plugin.inference import Existing, Job, Listing, Naming, Plan, exclude_outputs, list_images, plan_jobs
from usrda_plugin.inference.inputs import InputImage
from usrda_plugin.weights import some
from usrda_plugin.weights.writing import together, write_bytes, write_text

NAMED = 10
"""How many files are named of those that are left out."""


def run(chosen: argparse.Namespace) -> None:
    """Do what the user chose. Raises SetupError where there is a fault."""
    {"estimate": estimate, "apply": apply}[chosen.action](chosen)


def estimate(chosen: argparse.Namespace) -> None:
    """Write a camera's file, and draw it where asked to. Raises SetupError that says what was not as expected."""
    try:
        _check_output(chosen.output, (SUFFIX,), "-o", overwrite=chosen.overwrite)
        if chosen.plot:
            _check_output(chosen.plot, FORMATS, "--plot", overwrite=chosen.overwrite)
        found = estimate_camera_of(chosen.photographs, chosen.source, scale=chosen.scale, seed=chosen.seed)
        _write(chosen, found.estimate.camera)
    except (ValueError, OSError) as fault:
        raise SetupError(str(fault)) from fault
    for line in _told(found):
        plain_console(stderr=True).print(printable(line))
    for line in _summary(chosen, found):
        plain_console().print(printable(line))


def apply(chosen: argparse.Namespace) -> None:
    """Make LR images by a camera. Raises SetupError for what the user can mend, at the end for images that failed."""
    try:
        camera = Camera.load(chosen.camera)
        listing = list_images(chosen.input, recursive=chosen.recursive)
        naming = Naming(extension="png", existing=_existing(chosen))
        images = exclude_outputs(listing.images, chosen.output, naming)
        plan = plan_jobs(images, chosen.output, naming)
    except (ValueError, OSError) as fault:
        raise SetupError(str(fault)) from fault
    for line in _notes(listing, len(listing.images) - len(images), plan, camera, chosen.scale):
        plain_console(stderr=True).print(printable(line))
    failed = [*listing.faults.values(), *_take_all(plan.jobs, images, camera, chosen)]
    done = len(plan.jobs) + len(listing.faults) - len(failed)
    plain_console().print(printable(f"{_count(done)} made by {chosen.camera} into {chosen.output}"))
    if failed:
        listed = "".join(f"\n  {failure}" for failure in failed)
        raise SetupError(f"{len(failed)} of {_count(done + len(failed))} failed:{listed}")


def _take_all(
    jobs: Sequence[Job], images: Sequence[InputImage], camera: Camera, chosen: argparse.Namespace
) -> list[str]:
    """Make the LR image of each job; gives a line for each that failed."""
    names = {image.file: image.below.as_posix() for image in images}
    failed = []
    for job in passing_bar("images")(jobs):
        try:
            take_picture(camera, job.source, job.target, chosen.scale, name=names[job.source], seed=chosen.seed)
        except (ValueError, OSError) as error:
            failed.append(str(error))
    return failed


def _write(chosen: argparse.Namespace, camera: Camera) -> None:
    """Write the camera and its drawing, both or neither. Raises OSError."""
    drawing = plotted(camera, chosen.plot.suffix) if chosen.plot else b""
    for file in (chosen.output, chosen.plot or chosen.output):
        file.parent.mkdir(parents=True, exist_ok=True)
    with together():
        write_text(chosen.output, camera.as_json())
        if chosen.plot:
            write_bytes(chosen.plot, drawing)


def _check_output(file: Path, suffixes: tuple[str, ...], option: str, *, overwrite: bool) -> None:
    if file.suffix not in suffixes:
        raise ValueError(f"{option} {file}: expected a name that ends in {' or '.join(suffixes)}, found another")
    if file.is_dir():
        raise ValueError(f"{option} {file}: expected a file, found a folder; give another name")
    if file.exists() and not overwrite:
        raise ValueError(f"{option} {file}: expected no such file, found one; give another name, or --overwrite")


def _told(found: Found) -> list[str]:
    """What was left out, and why."""
    lines = []
    for listing in (found.photographs, found.source):
        if listing and listing.left_out:
            lines.append(f"left out: {', '.join(listing.reasons())}")
    failed = [fault for listing in (found.photographs, found.source) if listing for fault in listing.faults.values()]
    failed += found.estimate.left_out.values()
    if failed:
        more = f"\n  ... and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
        lines.append(f"{_count(len(failed))} left out:" + "".join(f"\n  {line}" for line in failed[:NAMED]) + more)
    return lines


def _summary(chosen: argparse.Namespace, found: Found) -> list[str]:
    camera = found.estimate.camera
    source = "that come with scikit-image" if found.source is None else f"of {some(chosen.source, spell=str)}"
    origin = camera.origin
    return [
        f"{chosen.output}: {camera.describe()}",
        f"  from {origin.photographs} of {_count(len(found.estimate.photographs), 'photograph')}, beside"
        f" {origin.source_photographs} {source}, at scale {origin.scale}",
        *([f"  drawn in {chosen.plot}"] if chosen.plot else []),
    ]


def _notes(listing: Listing, results: int, plan: Plan, camera: Camera, scale: int) -> list[str]:
    notes = []
    if listing.left_out:
        notes.append(f"left out: {', '.join(listing.reasons())}")
    if results:
        notes.append(f"{_count(results)} left out: results, by their place")
    if plan.skipped:
        notes.append(f"{_count(len(plan.skipped))} skipped: their results are there")
    if plan.renamed:
        pairs = some((f"{job.source} as {job.target.name}" for job in plan.renamed), spell=str)
        notes.append(f"{_count(len(plan.renamed))} named apart, as results would have met: {pairs}")
    if camera.origin.scale not in (None, scale):
        notes.append(f"the camera was estimated at scale {camera.origin.scale}, not {scale}: near, but not the same")
    return notes


def _existing(chosen: argparse.Namespace) -> Existing:
    return "skip" if chosen.skip_existing else "overwrite" if chosen.overwrite else "refuse"


def _count(number: int, what: str = "image") -> str:
    return f"1 {what}" if number == 1 else f"{number} {what}s"

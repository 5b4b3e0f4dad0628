"""What an adaptation leaves beside its network: the gap before and after, the card, the report."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from usrda_plugin import __version__
from usrda_plugin.adaptation.card import write_card
from usrda_plugin.adaptation.crops import spread_evenly
from usrda_plugin.adaptation.ending import Ending
from usrda_plugin.adaptation.found import Survey
from usrda_plugin.adaptation.sources import Source
from usrda_plugin.adaptation.starts import Start
from usrda_plugin.adaptation.workspace import Workspace
from usrda_plugin.archs.opening import open_network
from usrda_plugin.data.camera import Camera
from usrda_plugin.data.camera_pictures import take_picture
from usrda_plugin.evaluation import Gap, measure_gap
from usrda_plugin.monitoring.alarms import active_alarms
from usrda_plugin.monitoring.history import read_measurements
from usrda_plugin.reports import compare_run, write_report

LOOKED_AT = 16
"""Source photographs that the camera takes for the gap."""


def write_results(
    place: Workspace, photographs: Survey, start: Start, source: Source, ending: Ending, tell: Callable[[str], None]
) -> None:
    """Measure the gap again, and write card and report. Raises SaveError, and SetupError for what cannot be read."""
    camera = Camera.load(place.camera)
    files = [photograph.path for photograph in photographs.used]
    after = gap_to_camera(camera, source, files, place.network, start.scale)
    alarms = active_alarms(read_measurements(place.training / "signals.jsonl"))
    record = place.read()
    place.update(
        adapted={"file": place.network.name},
        ending=ending.reason,
        training={
            "folder": str(place.training.relative_to(place.folder)),
            "iterations": record["iterations"],
            "seconds": record["timing"].get("training"),
        },
        gap=with_after(record["gap"], after),
        alarms=[*alarms.values()],
        environment=environment(),
        commands=[
            shlex.join(["usrda", "upscale", "--weights", str(place.network), "--input"]) + " photos --output upscaled"
        ],
    )
    tell(f"Domain gap, from source by this camera to these photographs: {after.verdict()}.")
    write_card(place.card, place.network, start, place.read(), camera.describe(), [*alarms])
    write_report(place.folder, place.report, compare_run(place.folder, files), overwrite=True)


def gap_to_camera(camera: Camera, source: Source, photographs: Sequence[Path], network: Path, scale: int) -> Gap:
    """Measure how far what the camera would take of the source is from its photographs, seen by a network too."""
    with TemporaryDirectory(prefix="usrda_") as folder:
        taken = []
        for number in spread_evenly(len(source.files), LOOKED_AT):
            taken.append(Path(folder) / f"{number}.png")
            take_picture(camera, source.files[number], taken[-1], scale, name=source.names[number])
        return measure_gap(taken, list(photographs), open_network(network))


def of_gap(gap: Gap) -> dict[str, Any]:
    """What the record keeps of the gap before the training."""
    return {
        "before": {measure.title: measure.value for measure in gap.measures},
        "units": {measure.title: measure.unit for measure in gap.measures},
        "text": {measure.title: measure.sentence for measure in gap.measures},
    }


def with_after(before: dict[str, Any], gap: Gap) -> dict[str, Any]:
    """The same with what has become of it."""
    now = of_gap(gap)
    return {**before, **now, "before": before["before"], "after": now["before"]}


def environment() -> dict[str, str]:
    """What it ran on."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
    return {"usrda_plugin": __version__, "torch": torch.__version__, "device": device}

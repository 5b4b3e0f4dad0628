"""The page of a run: of a folder of BasicSR's, or of what ``usrda adapt`` has left."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from usrda_plugin.data.backends import IMAGE_SUFFIXES, is_hidden
from usrda_plugin.data.camera import Camera
from usrda_plugin.errors import SetupError
from usrda_plugin.reports.adaptation_facts import AdaptationFacts, LeftOutFile, NetworkFacts, read_facts
from usrda_plugin.reports.camera_curves import CameraCurves, camera_curves
from usrda_plugin.reports.comparing import Comparison, NetworkFile, compare_on
from usrda_plugin.reports.data_urls import inline
from usrda_plugin.reports.page import render, write_page
from usrda_plugin.reports.run_record import RunRecord, read_run
from usrda_plugin.reports.scene import Scene
from usrda_plugin.reports.sections import gap_rows, settings_section, training_section, used_section

REPORT = "report.html"
CAMERA = "camera.json"
BICUBIC, START, ADAPTED, TRAINED = "bicubic", "start", "adapted", "trained"
NO_PICTURES = "there are no pictures to compare"


class Told(NamedTuple):
    """All that a folder tells: of an adaptation, of its run, of the camera; ``notes``: what could not be read."""

    facts: AdaptationFacts | None
    run: RunRecord | None
    camera: CameraCurves | None
    notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the page is called."""
        return self.facts.name if self.facts else self.run.name if self.run else ""


def write_report(
    run: Path,
    output: Path | None = None,
    scenes: Comparison | Sequence[Scene] = (),
    facts: Mapping[str, Any] | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Write the page of a run and return where it is.

    Args:
        run: a folder of BasicSR's (``experiments/NAME``), or one that ``usrda adapt`` has made.
        output: the file; ``report.html`` in the folder by default.
        scenes: what ``compare_run`` or ``compare_on`` gives.
        facts: as in ``adapt.json``, over what stands there.
        overwrite: whether a file that is there may go.

    Raises:
        SetupError: nothing of a run is in the folder, a file in it is not what it should be, or the page cannot be
            written.
    """
    told = _read(run, facts)
    output = output or run / REPORT
    comparison = scenes if isinstance(scenes, Comparison) else Comparison(list(scenes))
    left_out = [LeftOutFile(file=file, reason=reason) for file, reason in comparison.left_out]
    content = render("report.html", {
        "title": told.name,
        "facts": told.facts,
        "gallery": inline(comparison.scenes),
        "comparison": comparison,
        "no_pictures": "; ".join(comparison.notes) or NO_PICTURES,
        "camera": told.camera,
        "gap": gap_rows(told.run, told.facts),
        "training": training_section(told.run, told.facts),
        "used": used_section(told.run, told.facts, left_out),
        "settings": settings_section(told.run, told.facts, _commands(told, run)),
        "notes": told.notes,
    })  # fmt: skip
    write_page(output, content, overwrite=overwrite)
    return output


def compare_run(
    run: Path,
    photographs: Sequence[Path] | None = None,
    *,
    limit: int = 6,
    device: str = "auto",
    note: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Photographs through bicubic enlargement, the network that a run began with, and the one it has made.

    ``photographs``: by default those that it was adapted to. What is missing is said in ``notes`` and is no error.
    Raises SetupError where nothing of a run is in the folder.
    """
    told = _read(run, None)
    networks, notes = _networks(told, run)
    chosen = list(photographs) if photographs is not None else _photographs(told, run)
    if not chosen:
        return Comparison([], notes=(*notes, "the photographs are not where they were; name them by --input"))
    if len(networks) < 2:
        return Comparison([], notes=(*notes, "the folder has no network"))
    try:
        return compare_on(chosen, networks, limit=limit, device=device, note=note)._replace(notes=notes)
    except (OSError, ValueError) as fault:
        return Comparison([], notes=(*notes, str(fault)))


def _read(folder: Path, more: Mapping[str, Any] | None) -> Told:
    if not folder.is_dir():
        raise SetupError(f"{folder}: expected the folder of a run, found {'a file' if folder.exists() else 'nothing'}")
    notes: list[str] = []
    try:
        facts = read_facts(folder, more)
        run = read_run(_training_folder(folder, facts, notes))
    except (OSError, ValueError) as fault:
        raise SetupError(str(fault)) from fault
    if facts is None and run is None:
        raise SetupError(
            f"{folder}: expected the folder of a run (with an option file, train_*.log, signals.jsonl or"
            " models/net_g_*.pth) or of usrda adapt (with adapt.json), found neither; give experiments/NAME"
        )
    return Told(facts, run, _camera(folder, facts, notes), tuple(notes))


def _training_folder(folder: Path, facts: AdaptationFacts | None, notes: list[str]) -> Path:
    """The folder of the run itself. One that lies elsewhere is not followed: the file may come from somebody else."""
    if facts is None or facts.training.folder is None:
        return folder
    inside = folder / facts.training.folder
    if folder.resolve() not in (inside.resolve(), *inside.resolve().parents):
        notes.append(f"the training's folder {facts.training.folder} lies outside of this one and was not read")
        return folder
    return inside


def _camera(folder: Path, facts: AdaptationFacts | None, notes: list[str]) -> CameraCurves | None:
    file = folder / ((facts.camera if facts else None) or CAMERA)
    if not file.is_file():
        return None
    try:
        return camera_curves(Camera.load(file))
    except (OSError, ValueError) as fault:
        notes.append(str(fault))
        return None


def _networks(told: Told, folder: Path) -> tuple[dict[str, NetworkFile | None], tuple[str, ...]]:
    """The networks to compare by name, and what is missing of them."""
    description = told.run.block("network_g") if told.run else {}
    if told.facts:
        wanted = {START: _beside(folder, told.facts.start), ADAPTED: _beside(folder, told.facts.adapted)}
        wanted[ADAPTED] = wanted[ADAPTED] or (told.run.final if told.run else None)
    else:
        assert told.run
        wanted = {START: _began_with(told.run, folder), TRAINED: told.run.final}
    found: dict[str, NetworkFile | None] = {BICUBIC: None}
    found |= {name: NetworkFile(file, None if name == START else _plain(description)) for name, file in wanted.items()
              if file}  # fmt: skip
    return found, tuple(f"the network '{name}' is not there" for name, file in wanted.items() if file is None)


def _began_with(run: RunRecord, folder: Path) -> Path | None:
    """The network that a run began with; one that came in parts is that of its decoder."""
    paths = run.block("path")
    given = next(filter(None, map(paths.get, ("pretrain_network_g", "pretrain_network_g_sr_decoder"))), None)
    return _there(Path(given), folder) if isinstance(given, str) else None


def _plain(description: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return description or None


def _beside(folder: Path, network: NetworkFacts) -> Path | None:
    return _there(Path(network.file), folder) if network.file else None


def _there(path: Path, folder: Path) -> Path | None:
    """Where a path of an option file or of ``adapt.json`` is now: in the folder, here, or where the run was started."""
    places = [folder / path, path, *(above / path for above in folder.resolve().parents[1:2])]
    return next((place for place in places if place.exists()), None)


def _photographs(told: Told, folder: Path) -> list[Path]:
    """The photographs that a run was adapted to, or else those that it was validated on."""
    given = [told.facts.photographs.folder] if told.facts else []
    blocks = told.run.block("datasets") if told.run else {}
    for key in ("dataroot_target", "dataroot_lq"):
        given += [block.get(key) for block in blocks.values() if isinstance(block, dict)]
    for path in given:
        found = _there(Path(path), folder) if isinstance(path, str) and path else None
        files = sorted(found.rglob("*")) if found and found.is_dir() else []
        images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES and not is_hidden(file.name)]
        used = [file for file in images if file.is_file() and not _is_left_out(file, told.facts)]
        if used:
            return used
    return []


def _is_left_out(file: Path, facts: AdaptationFacts | None) -> bool:
    return facts is not None and any(
        file.name == Path(left.file).name and str(file).endswith(left.file) for left in facts.photographs.left_out
    )


def _commands(told: Told, folder: Path) -> list[str]:
    """How to use the network, where the folder does not say it itself."""
    file = (_beside(folder, told.facts.adapted) if told.facts else None) or (told.run.final if told.run else None)
    if file is None:
        return []
    weights = shlex.quote(str(file))
    return [f"usrda upscale --weights {weights} --input photos --output upscaled"]

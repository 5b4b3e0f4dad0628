"""The option file of an adaptation: every choice in one commented YAML, which ``basicsr train`` reads unchanged."""

from __future__ import annotations

import json
import sys
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import yaml

from usrda_plugin.adaptation.starts import Start
from usrda_plugin.weights.writing import write_text

TEMPLATE = "adapt.yml.j2"
LARGE = 2_000_000
"""Parameters from which a network takes small steps, as those of ESRGAN's size do."""
RATE, RATE_OF_LARGE = 4e-4, 1e-4
MEASUREMENTS = 5
"""How often in a training it is saved, and measured without ground truth."""
CACHED = 200
"""Source photographs up to which each process keeps them decoded."""


class Inputs(NamedTuple):
    """What an adaptation reads, each a file or a folder, and how many photographs the source has."""

    source: Path
    source_list: Path
    source_count: int
    camera: Path
    target: Path
    validation: Path
    photographs: int
    side: int


class Schedule(NamedTuple):
    """How it trains: HR pixels a side, samples and iterations; ``timed``: whether the budget set the iterations."""

    patch: int
    batch: int
    workers: int
    iterations: int
    seed: int
    timed: bool = True


def write_option_file(file: Path, name: str, start: Start, inputs: Inputs, schedule: Schedule) -> None:
    """Write the option file. Raises SaveError."""
    write_text(file, render(file, name, start, inputs, schedule))


def render(file: Path, name: str, start: Start, inputs: Inputs, schedule: Schedule) -> str:
    """The text of the option file that will stand in ``file``."""
    return environment().get_template(TEMPLATE).render(
        **inputs._asdict(),
        **schedule._asdict(),
        file=file,
        name=name,
        scale=start.scale,
        network=start.network,
        start=start.file,
        rate=f"{RATE_OF_LARGE if start.parameters >= LARGE else RATE:.1e}",
        ema=_ema_decay(schedule.iterations),
        every=max(schedule.iterations // MEASUREMENTS, 1),
        print_every=max(min(schedule.iterations // 20, 100), 1),
        enlarge=ceil(schedule.iterations * schedule.batch / inputs.source_count),
        cache=inputs.source_count <= CACHED,
    )  # fmt: skip


def _ema_decay(iterations: int) -> float:
    """Average over about a fiftieth of a training, as short ones cannot forget their start otherwise."""
    return round(1 - 1 / min(max(iterations / 50, 10), 1000), 4)


def environment() -> jinja2.Environment:
    """What makes texts of the templates here."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("usrda_plugin.adaptation"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # YAML is no HTML; every text goes through ``value``
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["value"] = _as_yaml
    return environment


def _as_yaml(value: Any) -> str:
    """A value as YAML spells it in a line: texts in quotes, with YAML's own escapes."""
    if isinstance(value, str | Path):
        return yaml.safe_dump(str(value), default_style='"', allow_unicode=True, width=sys.maxsize).rstrip("\n")
    return json.dumps(value)

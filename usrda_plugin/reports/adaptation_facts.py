"""What ``usrda adapt`` leaves to be told: ``adapt.json``, checked, all of it optional but the name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

FILE = "adapt.json"


class Facts(BaseModel):
    """A block of ``adapt.json``; keys that are not known are kept out, so that a newer file can be read."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class LeftOutFile(Facts):
    """A photograph that was not used, and why."""

    file: str
    reason: str = ""


class Photographs(Facts):
    """The user's photographs: where, how many were used, by which cameras, and which were left out."""

    folder: str | None = None
    used: int | None = None
    left_out: list[LeftOutFile] = []
    cameras: dict[str, int] = {}


class NetworkFacts(Facts):
    """A network: its name, and its file, absolute or relative to the output folder."""

    name: str | None = None
    file: str | None = None


class TrainingFacts(Facts):
    """The training: its folder relative to the output folder, iterations, seconds."""

    folder: str | None = None
    iterations: int | None = None
    seconds: float | None = None


class Gap(Facts):
    """The domain gap: measures before and after, their units, and what each of them is."""

    before: dict[str, float | None] = {}
    after: dict[str, float | None] = {}
    units: dict[str, str] = {}
    text: dict[str, str] = {}


class AdaptationFacts(Facts):
    """The whole of ``adapt.json``."""

    name: str
    scale: int | None = None
    photographs: Photographs = Photographs()
    source: dict[str, Any] | list[Any] | str | None = None
    start: NetworkFacts = NetworkFacts()
    adapted: NetworkFacts = NetworkFacts()
    training: TrainingFacts = TrainingFacts()
    gap: Gap = Gap()
    camera: str | None = None
    alarms: list[str] = []
    environment: dict[str, Any] = {}
    timing: dict[str, float] = {}
    commands: list[str] = []


def read_facts(folder: Path, more: Mapping[str, Any] | None = None) -> AdaptationFacts | None:
    """The facts of an output folder, with ``more`` over them; None where it has none.

    Raises ValueError for a file that is no ``adapt.json``.
    """
    file = folder / FILE
    content: Any = {}
    if file.is_file():
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as fault:
            raise ValueError(f"{file}: expected JSON, found another file ({fault})") from None
    elif not more:
        return None
    if not isinstance(content, dict):
        raise ValueError(f"{file}: expected names and values, found {type(content).__name__}")
    try:
        return AdaptationFacts.model_validate({"name": folder.resolve().name, **content, **(more or {})})
    except ValidationError as faults:
        listed = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults.errors()[:3])
        raise ValueError(f"{file}: expected the facts of an adaptation, found others ({listed})") from None

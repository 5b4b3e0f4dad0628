"""The history of the signals: a line of JSON for each measurement."""

from __future__ import annotations

import json
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from usrda_plugin.weights.writing import write_text

Line = dict[str, float]
"""One measurement: ``iter`` and each signal by its name; nan where it is not defined."""


class Record:
    """A file of measurements that grows by a line at a time.

    Args:
        file: where it stands.
        until: the iteration from which a run goes on; later lines are dropped, and with 0 all.
    """

    def __init__(self, file: Path, until: int) -> None:
        self.file = file
        self.history = [line for line in _read(file) if line["iter"] <= until]
        write_text(file, "".join(f"{as_json(_whole(line))}\n" for line in self.history))

    def add(self, line: Line) -> None:
        """Append a measurement."""
        self.history.append(line)
        with self.file.open("a", encoding="utf-8") as file:
            file.write(f"{as_json(_whole(line))}\n")


def as_json(content: Mapping[str, Any], indent: int | None = None) -> str:
    """JSON as every reader takes it: what is not finite becomes null."""
    return json.dumps(_finite(content), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not isfinite(value) else value


def _whole(line: Line) -> dict[str, float]:
    return {**line, "iter": int(line["iter"])}


def _read(file: Path) -> list[Line]:
    """The lines of a file; one that a crash has cut off is left out."""
    lines = []
    for text in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            content = json.loads(text)
        except json.JSONDecodeError:
            continue
        lines.append({name: float("nan") if value is None else float(value) for name, value in content.items()})
    return lines

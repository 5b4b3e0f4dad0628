"""The folder of an adaptation: where its files stand, and what is known of it so far, so that it can go on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from usrda_plugin.errors import SetupError
from usrda_plugin.weights.writing import clear_unfinished, write_text

RECORD = "adapt.json"


class Workspace(NamedTuple):
    """The folder, and the name that the training and the network have."""

    folder: Path
    name: str

    @property
    def record(self) -> Path:
        """What is known of the adaptation: arguments, photographs, gap, timing."""
        return self.folder / RECORD

    @property
    def option_file(self) -> Path:
        """What is trained."""
        return self.folder / "adapt.yml"

    @property
    def camera(self) -> Path:
        """The camera's estimate."""
        return self.folder / "camera.json"

    @property
    def crops(self) -> Path:
        """Crops of the photographs, on which is measured while it trains."""
        return self.folder / "crops"

    @property
    def source_list(self) -> Path:
        """The source photographs that are used."""
        return self.folder / "source.txt"

    @property
    def training(self) -> Path:
        """BasicSR's folder of the training."""
        return self.folder / "experiments" / self.name

    @property
    def network(self) -> Path:
        """The adapted network."""
        return self.folder / f"{self.name}.pth"

    @property
    def card(self) -> Path:
        """What the network is, where it comes from, and what it may be used for."""
        return self.folder / f"{self.name}.md"

    @property
    def report(self) -> Path:
        """The page to look at."""
        return self.folder / "report.html"

    @property
    def is_finished(self) -> bool:
        """Whether all of it is there."""
        return bool(self.read().get("finished")) and self.network.exists() and self.report.exists()

    def read(self) -> dict[str, Any]:
        """The record; empty where nothing has begun. Raises SetupError where it is damaged."""
        try:
            found = json.loads(self.record.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise SetupError(f"{self.record}: expected the record of an adaptation, found {error}") from error
        if not isinstance(found, dict):
            raise SetupError(f"{self.record}: expected the record of an adaptation, found {type(found).__name__}")
        return found

    def update(self, **known: Any) -> None:
        """Add to the record; with ``timing`` its parts."""
        record = self.read()
        timing = {**record.get("timing", {}), **known.pop("timing", {})}
        write_text(self.record, json.dumps({**record, **known, "timing": timing}, indent=2, ensure_ascii=False) + "\n")

    def claim(self, arguments: Mapping[str, Any]) -> bool:
        """Begin, or go on with what was begun by the same arguments; returns whether it goes on.

        Raises SetupError where the folder holds something else, or an adaptation by other arguments.
        """
        record = self.read()
        if record:
            self._check(record, arguments)
            clear_unfinished(self.folder)
            return True
        if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise SetupError(
                f"--output: expected a new or an empty folder, or one that usrda adapt has begun, found {self.folder}, "
                "which holds other things; name another folder"
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SetupError(f"--output: {self.folder} cannot be made ({error}); name another folder") from error
        self.update(name=self.name, arguments=dict(arguments))
        return False

    def _check(self, record: Mapping[str, Any], arguments: Mapping[str, Any]) -> None:
        begun = record.get("arguments") or {}
        others = [
            f"{name} {_shown(begun.get(name))}, now {_shown(value)}"
            for name, value in arguments.items()
            if begun.get(name) != value
        ]
        if others:
            raise SetupError(
                f"--output: expected the arguments with which the adaptation in {self.folder} began, found others "
                f"({'; '.join(others)}); repeat the first command to go on, or give another --output"
            )


def _shown(value: object) -> str:
    return "none" if value is None else str(value)

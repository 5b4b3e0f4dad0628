"""The folder of an adaptation: where its files stand, and what is known of it so far, so that it can go on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from usrda_plugin.errors import SetupError
from usrda_plugin.file_lock import FileLock, LockHeldError
from usrda_plugin.weights.writing import UNFINISHED, clear_unfinished, write_text

RECORD = "adapt.json"
LOCK = ".lock"
LONGEST = 120
"""Bytes of a name, which gets suffixes still: file systems allow 255."""


def name_of(photographs: Path, scale: int) -> str:
    """Name an adaptation by its folder of photographs; what no text file can have in it is left out."""
    of_folder = "".join(c if c.isprintable() else "_" for c in photographs.resolve().name)
    return f"{of_folder.encode()[:LONGEST].decode(errors='ignore').strip() or 'photographs'}_x{scale}"


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
        return self.folder / "experiments" / self.training_name

    @property
    def training_name(self) -> str:
        """What BasicSR calls the training: with "debug" in a name it would save at other iterations."""
        return self.name.replace("debug", "de_bug")

    def trained(self, iteration: int) -> Path:
        """The network that the training has saved at an iteration."""
        return self.training / "models" / f"net_g_{iteration}.pth"

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

    @property
    def is_trained(self) -> bool:
        """Whether a training has begun here, which other arguments must not touch."""
        return (self.folder / "experiments").exists() or any(self.folder.glob("*.pth"))

    def read(self) -> dict[str, Any]:
        """The record; empty where nothing has begun. Raises SetupError where it is damaged."""
        try:
            found = json.loads(self.record.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except (OSError, ValueError) as error:
            raise self._damaged(str(error)) from error
        if not isinstance(found, dict):
            raise self._damaged(type(found).__name__)
        if not (isinstance(found.get("arguments"), dict) and isinstance(found.get("timing"), dict)):
            raise self._damaged("none of its arguments and timing")
        return found

    def _damaged(self, found: str) -> SetupError:
        return SetupError(
            f"{self.record}: expected the record of an adaptation, found {found}; give another --output, or move this"
            " folder away"
        )

    def update(self, **known: Any) -> None:
        """Add to the record; with ``timing`` its parts."""
        record = self.read()
        timing = {**record.get("timing", {}), **known.pop("timing", {})}
        self._write({**record, **known, "timing": timing})

    def _write(self, record: Mapping[str, Any]) -> None:
        write_text(self.record, json.dumps(record, indent=2) + "\n")  # ASCII: the name of a file may be no text

    def check(self, arguments: Mapping[str, Any]) -> bool:
        """Whether it goes on with what was begun by the same arguments; nothing is written.

        Raises SetupError where the folder holds something else, or a training by other arguments.
        """
        record = self.read()
        if record:
            return self._check(record, arguments)
        if self.folder.exists() and (not self.folder.is_dir() or any(map(_is_of_others, self.folder.iterdir()))):
            raise SetupError(
                f"--output: expected a new or an empty folder, or one that usrda adapt has begun, found {self.folder}, "
                "which holds other things; name another folder"
            )
        return False

    @contextmanager
    def claimed(self, arguments: Mapping[str, Any]) -> Iterator[None]:
        """While open, nobody else adapts into the folder: begin, or go on with what the same arguments began.

        Where nothing is trained yet, other arguments begin anew. Raises SetupError as ``check``, and where the folder
        cannot be written or another process adapts into it.
        """
        made = [folder for folder in (self.folder, *self.folder.parents) if not folder.exists()]
        self.check(arguments)
        lock = self._lock()
        try:
            if not self.check(arguments):
                self.begin_anew(arguments)
            clear_unfinished(self.folder)
            yield
        except SetupError:
            self._abandon()
            raise
        finally:
            lock.release()
            for folder in made:
                with suppress(OSError):  # it is not empty
                    folder.rmdir()

    def begin_anew(self, arguments: Mapping[str, Any]) -> None:
        """Forget what was measured, where nothing is trained."""
        for file in (self.camera, self.option_file, self.source_list):
            file.unlink(missing_ok=True)
        shutil.rmtree(self.crops, ignore_errors=True)
        self._write({"name": self.name, "arguments": dict(arguments), "timing": {}})

    def _lock(self) -> FileLock:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            return FileLock(self.folder / LOCK)
        except LockHeldError as held:
            unsure = "" if held.enforced else f"; if it does not run any more, delete {held.file}"
            raise SetupError(
                f"--output: another usrda adapt is at work in {self.folder}{held.owner}; wait for its end, or give"
                f" another --output{unsure}"
            ) from held
        except OSError as error:
            raise SetupError(f"--output: {self.folder} cannot be written ({error}); name another folder") from error

    def _abandon(self) -> None:
        """Take the record away where it is all that there is."""
        if self.folder.is_dir() and {file.name for file in self.folder.iterdir()} <= {RECORD, LOCK}:
            self.record.unlink(missing_ok=True)

    def _check(self, record: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
        begun = record["arguments"]
        others = [
            f"{name} {_shown(begun.get(name))}, now {_shown(value)}"
            for name, value in arguments.items()
            if begun.get(name) != value
        ]
        if others and self.is_trained:
            raise SetupError(
                f"--output: expected the arguments with which the adaptation in {self.folder} began, found others "
                f"({'; '.join(others)}); repeat the first command to go on, or give another --output"
            )
        return not others


def _is_of_others(file: Path) -> bool:
    """Whether a file is none that a killed start leaves."""
    return file.name not in (LOCK, UNFINISHED.format(RECORD))


def _shown(value: object) -> str:
    return "none" if value is None else str(value)

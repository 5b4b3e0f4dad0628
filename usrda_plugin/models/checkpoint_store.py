"""Checkpoints: the networks and states of one iteration, complete by their manifest or not there.

A manifest, ``training_states/ITER.json``, has the SHA-256 of each file of its checkpoint and is written last: without
it the checkpoint is not complete, whatever files there are. Folders of stock BasicSR have no manifests; there a
checkpoint counts that can be read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from usrda_plugin.weights import read_tensors
from usrda_plugin.weights.reading import sha256_of
from usrda_plugin.weights.writing import clear_unfinished, settle, together, write_copy, write_text

LATEST = "latest"
"""What stands in the place of an iteration in the names of a run's last networks."""
STATE, MORE, MANIFEST, RETIRED = ".state", ".more", ".json", ".left"


class Found(NamedTuple):
    """The newest complete checkpoint, None if there is none, and, newer ones first, why others were passed by."""

    iteration: int | None
    passed: tuple[str, ...]


class CheckpointStore:
    """The checkpoints of one run.

    Args:
        root: folder of the run, below which manifests name their files.
        states: folder of its training states.
        networks: ``net_g``, ``net_d_t``, ... as files are called; what a checkpoint without manifest must have.
        models: folder of its networks.
    """

    def __init__(self, root: Path, states: Path, models: Path, networks: Sequence[str]) -> None:
        self.root, self.states, self.models = root, states, models
        self.networks = tuple(networks)

    @classmethod
    def of(cls, opt: Mapping[str, Any]) -> CheckpointStore:
        """The checkpoints of a run, by its options as BasicSR has parsed them."""
        path = opt["path"]
        root, states, models = (Path(path[key]) for key in ("experiments_root", "training_states", "models"))
        ignored = path.get("ignore_resume_networks") or ()
        names = [key for key in opt if key.startswith("network_") and key not in ignored]
        return cls(root, states, models, [name.replace("network_", "net_", 1) for name in names])

    def state(self, iteration: int) -> Path:
        """BasicSR's training state of a checkpoint."""
        return self.states / f"{iteration}{STATE}"

    def more(self, iteration: int) -> Path:
        """What exact resuming needs beside BasicSR's training state."""
        return self.states / f"{iteration}{MORE}"

    def files(self, iteration: int) -> list[Path]:
        """The files that a checkpoint has on the disk, whoever wrote them."""
        networks = self.models.glob(f"net_*_{iteration}.pth")
        return [*networks, *(file for file in (self.state(iteration), self.more(iteration)) if file.is_file())]

    def commit(self, iteration: int, files: Iterable[Path]) -> None:
        """Declare a checkpoint complete. Raises SaveError."""
        written = {file.relative_to(self.root).as_posix(): _fingerprint(file) for file in sorted(files)}
        text = json.dumps({"iter": iteration, "files": written}, indent=1)
        write_text(self.states / f"{iteration}{MANIFEST}", text + "\n")
        (self.states / f"{iteration}{MANIFEST}{RETIRED}").unlink(missing_ok=True)

    def publish(self, iteration: int) -> None:
        """Let the networks of a checkpoint be the run's latest ones too, for use; none where it has no files.

        They belong to no checkpoint. Raises SaveError.
        """
        with together():
            for network in self.models.glob(f"net_*_{iteration}.pth"):
                label = network.stem.rpartition("_")[0]
                write_copy(network, network.with_name(f"{label}_{LATEST}.pth"))

    def newest(self) -> Found:
        """The newest complete checkpoint."""
        passed: list[str] = []
        kept = self.iterations()
        numbers = {*kept, *(int(file.stem) for file in self.states.glob(f"*{STATE}") if file.stem.isdigit())}
        for number in sorted(numbers, reverse=True):
            # a state is written last but for the manifest; older than all of these it may be stock BasicSR's
            fault = self.fault(number, expects_manifest=bool(kept) and number > kept[0])
            if fault is None:
                return Found(number, tuple(passed))
            passed.append(f"checkpoint {number}: {fault}")
        return Found(None, tuple(passed))

    def how_to_go_on(self, remedy: str) -> str:
        """Say that training stops, and from which checkpoint it can go on after the remedy, if there is one."""
        committed = self.iterations()
        # one without manifest may do, as BasicSR's
        whole = committed[-1] if committed else self.newest().iteration
        if whole is None:
            return f"training stops, and no checkpoint has been saved; {remedy}, then start again"
        last = f"the checkpoint of iteration {whole} is whole"
        return f"training stops, {last}; {remedy}, then go on with --auto_resume"

    def iterations(self) -> list[int]:
        """The iterations that have a manifest, oldest first."""
        return sorted(int(file.stem) for file in self.states.glob(f"*{MANIFEST}") if file.stem.isdigit())

    def fault(self, iteration: int, *, expects_manifest: bool = True) -> str | None:
        """Why a checkpoint is not complete; None where it is."""
        manifest = self.states / f"{iteration}{MANIFEST}"
        if not manifest.is_file():
            return "its saving was cut off" if expects_manifest else self._unreadable(iteration)
        try:
            files = json.loads(manifest.read_text(encoding="utf-8"))["files"]
            return next(
                (fault for name, written in files.items() if (fault := _fault(self.root / name, written))), None
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            return f"{manifest.name} is damaged"
        except OSError as error:
            return f"a file of it cannot be read ({error})"

    def prune(self, now: int, keep_last: int | None, best: Iterable[int]) -> None:
        """Remove all checkpoints up to iteration ``now`` but the last so many and those of ``best``; None keeps all."""
        if not keep_last:
            return
        past = [number for number in self.iterations() if number <= now]
        for number in {*past} - {*past[-keep_last:], *best}:
            self._remove(number)

    def retire_newer(self, now: int) -> list[int]:
        """Take the manifests of checkpoints beyond iteration ``now`` out of use: a run has gone back before them.

        Their files stay until they are written anew. Returns their iterations.
        """
        newer = [number for number in self.iterations() if number > now]
        for number in newer:
            manifest = self.states / f"{number}{MANIFEST}"
            manifest.replace(manifest.with_name(manifest.name + RETIRED))
        return newer

    def clear(self) -> None:
        """Remove what a killed process has left half written."""
        for folder in (self.root, self.models, self.states):
            clear_unfinished(folder)

    def _remove(self, iteration: int) -> None:
        for file in self.files(iteration):  # by their names, whatever the manifest says
            file.unlink(missing_ok=True)
        settle(self.states)
        # last: what a kill leaves of the checkpoint is removed the next time
        (self.states / f"{iteration}{MANIFEST}").unlink(missing_ok=True)

    def _unreadable(self, iteration: int) -> str | None:
        networks = [self.models / f"{name}_{iteration}.pth" for name in self.networks]
        for file in (self.state(iteration), *networks):
            try:
                read_tensors(file)
            except (OSError, ValueError) as error:
                return f"{file.name} cannot be read ({error})"
        return None


def _fault(file: Path, written: Mapping[str, Any]) -> str | None:
    if not file.is_file():
        return f"{file.name} is missing"
    size = file.stat().st_size
    if size != written["bytes"]:
        return f"{file.name} has {size} bytes instead of {written['bytes']}"
    return None if sha256_of(file) == written["sha256"] else f"{file.name} is not as it was written"


def _fingerprint(file: Path) -> dict[str, Any]:
    return {"bytes": file.stat().st_size, "sha256": sha256_of(file)}

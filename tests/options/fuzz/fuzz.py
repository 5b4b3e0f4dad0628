"""The fuzz itself: files tried one after the other, and what came of them."""

from __future__ import annotations

import os
import re
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import floor
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from tests.options.fuzz.files import FUZZED, Spoilt, spoilt, written
from tests.options.fuzz.outcome import Outcome, outcome_of
from tests.options.fuzz.start import start, take_back
from tests.options.fuzz.trees import options_over
from tests.options.fuzz.workplace import Workplace, inside
from usrda_plugin.compat.plugins import load_plugins

Options = dict[str, Any]

# how a message begins that is told when the networks stand: with the block at fault
NAMED = re.compile(r"(train: )?(network_|datasets|train|val|path|\w+_opt)")
# of so many files one is drawn from the schema
OF_SCHEMA = 5


class Report:
    """What a fuzz came to: how many files were accepted and refused, and what broke the promise."""

    def __init__(self, spread: float = 0) -> None:
        self.spread = spread
        self.accepted = 0
        self.refused = 0
        self.begun = 0
        self.exits = 0
        self.violations: list[str] = []

    def __str__(self) -> str:
        count = self.accepted + self.refused
        broken = "".join(f"\n  {violation}" for violation in self.violations)
        return (
            f"{count} option files: {self.refused} refused, {self.accepted} accepted; by the command "
            f"{self.exits} ended with exit code 2, {self.begun} began; {len(self.violations)} violations{broken}"
        )


def fuzz(files: int, seed: int = 0, commands: int = 0) -> Report:
    """Load so many spoilt option files, and of these give so many, evenly spread, to ``basicsr train`` or ``test``."""
    report = Report(files / commands if commands else 0)
    with tempfile.TemporaryDirectory(prefix="fuzz_") as folder, quiet(Path(folder)):
        workplace = Workplace(Path(folder) / "workplace")
        drawn = files // OF_SCHEMA
        with inside(workplace.root):
            for number in range(files - drawn):
                try_file(report, workplace, spoilt(workplace, seed, number), f"file {number}")
            _try_schema(report, workplace, drawn, seed)
    return report


def _try_schema(report: Report, workplace: Workplace, count: int, seed: int) -> None:
    starts = workplace.starts()

    @seeded(seed)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.data())
    def try_one(data: st.DataObject) -> None:
        start = data.draw(st.sampled_from(starts))
        options = data.draw(options_over(workplace.resolved[start.name]))
        told = f"{start.name}, drawn from the schema: {drawn_over(options, workplace.resolved[start.name])}"
        one = Spoilt(told, {FUZZED: written(options)}, FUZZED, start.is_train)
        try_file(report, workplace, one, "drawn")

    if count:
        try_one()


def drawn_over(options: Options, start: Options) -> Options:
    """The part of the options that is not the start's."""
    return {
        key: drawn_over(value, start[key]) if isinstance(value, dict) and isinstance(start.get(key), dict) else value
        for key, value in options.items()
        if key not in start or repr(value) != repr(start[key])
    }


def try_file(report: Report, workplace: Workplace, one: Spoilt, label: str) -> None:
    """Load one file, and count it in the report with what is wrong with what came."""
    number = report.accepted + report.refused
    by_command = report.spread and floor(number / report.spread) != floor((number - 1) / report.spread)
    with placed(workplace, one):
        before = snapshot(workplace.root)
        scratch = workplace.root.parent / "scratch.yml"
        file = workplace.options / one.file
        outcome = outcome_of(file, is_train=one.is_train, overrides=one.overrides, scratch=scratch)
        flaws = [outcome.violation] if outcome.violation else []
        flaws += _written(before, workplace.root)
        if by_command and not flaws and cheap(outcome.options):
            flaws += _command(report, workplace, one, outcome)
    if outcome.message and one.words and not any(word in outcome.message for word in one.words):
        flaws.append(f"the message names none of {sorted(one.words)}: {outcome.message}")
    report.violations += [f"{label}, {one.told}: {flaw}" for flaw in flaws]
    report.refused += outcome.options is None
    report.accepted += outcome.options is not None


def _command(report: Report, workplace: Workplace, one: Spoilt, outcome: Outcome) -> list[str]:
    """What is wrong with what the command comes to."""
    before = snapshot(workplace.root)
    forced = ["--force_yml", *one.overrides] if one.overrides else []
    done = start(["train" if one.is_train else "test", "-opt", f"options/{one.file}", *forced])
    if done.violation:
        take_back(workplace.root, workplace.pristine)
        return [f"by the command: {done.violation}"]
    if done.code is None:
        report.begun += 1
        take_back(workplace.root, workplace.pristine)
        return [] if outcome.options is not None else ["refused by the check, begun by the command"]
    report.exits += 1
    flaws = _written(before, workplace.root)
    log, _, message = done.told.rpartition("basicsr: ")
    log = "".join(line for line in log.splitlines() if not line.startswith("Downloading: "))
    if done.code != 2 or not message or "Traceback" in done.told:
        flaws.append(f"exit code {done.code}: {done.told[-300:]}")
    if outcome.options is None and (log or done.printed):
        flaws.append(f"a refusal that says more than its message: {log[:300]}{done.printed[:300]}")
    if outcome.options is not None and not NAMED.match(message):
        flaws.append(f"accepted by the check, refused by the command without a key: {message}")
    return flaws


def _written(before: set[tuple[str, int, int]], root: Path) -> list[str]:
    changed = before ^ snapshot(root)
    return [f"written on disk: {sorted({path for path, *_ in changed})}"] if changed else []


def cheap(options: Options | None) -> bool:
    """Whether a run by these options takes a moment: no loader processes, a small batch, small networks."""
    options = options or {}
    train = options.get("datasets", {}).get("train", {})
    sizes = [value for key, block in options.items() if key.startswith("network_") for value in block.values()]
    large = any(isinstance(size, int | float) and size > 64 for size in sizes)
    return train.get("batch_size_per_gpu", 1) <= 8 and not train.get("num_worker_per_gpu") and not large


@contextmanager
def placed(workplace: Workplace, one: Spoilt) -> Iterator[None]:
    """While open, what the fuzz has written lies in options/."""
    before = {name: _content(workplace.options / name) for name in one.written}
    for name, content in one.written.items():
        (workplace.options / name).write_bytes(content)
    try:
        yield
    finally:
        for name, content in before.items():
            if content is None:
                (workplace.options / name).unlink()
            else:
                (workplace.options / name).write_bytes(content)


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None


def snapshot(folder: Path) -> set[tuple[str, int, int]]:
    """Every file and folder below, with its size and the time of its last change."""
    found = set()
    for path in folder.rglob("*"):
        status = path.stat()
        # a folder's time of change also moves where a file came and went again
        found.add((str(path), 0 if path.is_dir() else status.st_size, 0 if path.is_dir() else status.st_mtime_ns))
    return found


@contextmanager
def quiet(folder: Path) -> Iterator[None]:
    """No network, torch hub's cache and VGG weights in the folder, one thread."""

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("there is no network")

    load_plugins()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    environment = {"TORCH_HOME": str(folder / "torch"), "USRDA_VGG_WEIGHTS": str(folder / "workplace" / "vgg19.pth")}
    with mock.patch.object(socket.socket, "connect", refuse), mock.patch.dict(os.environ, environment):
        yield
    torch.set_num_threads(threads)

"""What the folder of a BasicSR run holds: options, logs, signals, networks. Whatever is missing is empty."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from usrda_plugin.monitoring.alarms import active_alarms
from usrda_plugin.monitoring.history import read_measurements
from usrda_plugin.monitoring.measurement import Measurement
from usrda_plugin.reports.charts import Series
from usrda_plugin.reports.training_log import TrainingLog, read_logs

NETWORKS = re.compile(r"net_g_(latest|best|\d+)\.(pth|safetensors)")
LARGEST_OPTIONS = 1_000_000
"""Bytes of an option file that is read."""


class Alarm(NamedTuple):
    """An alarm that rang: from which iteration, until which (None: to the end), and what it last said."""

    name: str
    begun: int
    ended: int | None
    text: str


class RunRecord(NamedTuple):
    """A run as its folder tells it.

    ``options``: the blocks of its option file, and ``options_text`` as it is written; ``networks``: G by what its file
    is called, ``latest``, ``best`` or an iteration; ``faults``: files that could not be read, and why.
    """

    folder: Path
    name: str
    options: dict[str, Any]
    options_text: str
    log: TrainingLog
    signals: dict[str, Series]
    alarms: tuple[Alarm, ...]
    networks: dict[str, Path]
    faults: tuple[str, ...]

    @property
    def final(self) -> Path | None:
        """The network at the end: ``net_g_latest``, or else that of the highest iteration."""
        numbered = sorted((name for name in self.networks if name.isdigit()), key=int)
        return next((self.networks[name] for name in ["latest", *reversed(numbered), "best"] if name in self.networks),
                    None)  # fmt: skip

    def block(self, *keys: str) -> dict[str, Any]:
        """A block of the options; an empty one where there is none."""
        found: Any = self.options
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}


def read_run(folder: Path) -> RunRecord | None:
    """Read a run's folder; None where it has nothing of a run. Raises OSError."""
    logs = sorted(folder.glob("train_*.log"), key=lambda file: file.name[-19:])
    option_files = sorted([*folder.glob("*.yml"), *folder.glob("*.yaml")], key=lambda file: file.stat().st_mtime)
    networks = {
        found[1]: file
        for file in sorted((folder / "models").glob("net_g_*"))
        if (found := NETWORKS.fullmatch(file.name))
    }
    signal_file = folder / "signals.jsonl"
    if not (logs or option_files or networks or signal_file.is_file()):
        return None
    faults: list[str] = []
    text, options = _read_options(option_files, faults)
    measurements = _read_signals(signal_file, faults)
    name = options.get("name")
    return RunRecord(
        folder=folder,
        name=name if isinstance(name, str) else folder.resolve().name,
        options=options,
        options_text=text,
        log=read_logs(logs),
        signals=_signal_series(measurements),
        alarms=tuple(alarms_of(measurements)),
        networks=networks,
        faults=tuple(faults),
    )


def alarms_of(measurements: list[Measurement]) -> list[Alarm]:
    """The alarms that rang in a history, each from its beginning to its end."""
    rung: list[Alarm] = []
    ringing: dict[str, int] = {}
    for number, measurement in enumerate(measurements, 1):
        at = int(measurement.get("iter", number))
        active = active_alarms(measurements[:number])
        for name in [name for name in ringing if name not in active]:
            place = ringing.pop(name)
            rung[place] = rung[place]._replace(ended=at)
        for name, text in active.items():
            if name not in ringing:
                ringing[name] = len(rung)
                rung.append(Alarm(name, at, None, text))
            rung[ringing[name]] = rung[ringing[name]]._replace(text=text)
    return rung


def _read_options(files: list[Path], faults: list[str]) -> tuple[str, dict[str, Any]]:
    """The newest option file; what cannot be read is a fault."""
    if not files:
        return "", {}
    newest = files[-1]
    with newest.open(encoding="utf-8", errors="backslashreplace") as opened:
        text = opened.read(LARGEST_OPTIONS)
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        faults.append(f"{newest.name} is no YAML ({' '.join(str(error).split())[:200]})")
        return text, {}
    return text, content if isinstance(content, dict) else {}


def _read_signals(file: Path, faults: list[str]) -> list[Measurement]:
    try:
        return [each for each in read_measurements(file) if "iter" in each]
    except (ValueError, TypeError, AttributeError) as error:
        faults.append(f"{file.name} holds no measurements ({error})")
        return []


def _signal_series(measurements: Iterable[Measurement]) -> dict[str, Series]:
    listed = list(measurements)
    names = dict.fromkeys(name for each in listed for name in each if name != "iter")
    every = {name: Series.of(name, ((each["iter"], each[name]) for each in listed if name in each)) for name in names}
    return {name: series for name, series in every.items() if series.x}

"""``usrda adapt``: from a folder of photographs to an adapted network."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track

from usrda_plugin.adaptation import adapt
from usrda_plugin.cli.exits import printable


def run(chosen: argparse.Namespace) -> None:
    """Adapt, and say where everything is. Raises SetupError and TrainingError."""
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        _adapt(chosen, console)
    except KeyboardInterrupt:
        console.print("Stopped; the same command goes on from where it is.")
        raise


def _adapt(chosen: argparse.Namespace, console: Console) -> None:
    adapt(
        chosen.photographs,
        scale=chosen.scale,
        start=chosen.start,
        source=chosen.source,
        budget=chosen.budget,
        output=chosen.output,
        seed=chosen.seed,
        dry_run=chosen.dry_run,
        tell=lambda sentence: console.print(printable(sentence)),
        progress=_bar,
    )


def _bar(files: Sequence[Path]) -> Iterable[Path]:
    console = Console(stderr=True)
    return track(files, description="photographs", console=console, transient=True, disable=not console.is_terminal)

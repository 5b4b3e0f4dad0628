"""``usrda adapt``: from a folder of photographs to an adapted network."""

from __future__ import annotations

import argparse

from rich.console import Console

from usrda_plugin.adaptation import adapt
from usrda_plugin.cli.exits import printable
from usrda_plugin.cli.terminal import passing_bar, plain_console


def run(chosen: argparse.Namespace) -> None:
    """Adapt, and say where everything is. Raises SetupError and TrainingError."""
    console = plain_console()
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
        progress=passing_bar("photographs"),
    )

"""``usrda compare``: networks side by side."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from usrda_plugin.cli.exits import printable
from usrda_plugin.cli.terminal import plain_console
from usrda_plugin.compat.plugins import load_plugins
from usrda_plugin.errors import SetupError
from usrda_plugin.inference import list_images
from usrda_plugin.reports import Comparison, compare_on, write_comparison
from usrda_plugin.reports.page import check_output
from usrda_plugin.reports.report import BICUBIC
from usrda_plugin.weights import shown_path


def run(chosen: argparse.Namespace) -> None:
    """Write the page. Raises SetupError for what the user can mend."""
    console = plain_console(stderr=True)
    labels = name_networks(chosen.weights, chosen.labels)
    check_output(chosen.output, overwrite=chosen.overwrite)
    networks: dict[str, Path | None] = {BICUBIC: None, **dict(zip(labels, chosen.weights, strict=True))}
    try:
        load_plugins()
        photographs = list_photographs(chosen.input, console, recursive=chosen.recursive)
        comparison = compare_on(
            photographs, networks, limit=chosen.limit, device=chosen.device, note=lambda text: tell(console, text)
        )
    except (ValueError, OSError) as error:
        raise SetupError(str(error)) from error
    tell_left_out(console, comparison)
    if not comparison.scenes:
        raise SetupError("expected photographs to compare on, found none that could be enlarged; no page was written")
    write_comparison(comparison, chosen.output, overwrite=chosen.overwrite)
    tell(console, f"{chosen.output}: {len(comparison.scenes)} places of {comparison.photographs} photographs")


def name_networks(files: Sequence[Path], labels: Sequence[str] | None) -> list[str]:
    """A name for each file, no two the same: the user's, or its own, with its folder's where that is needed.

    Raises SetupError where the user's do not fit.
    """
    if labels is None:
        stems = [file.stem for file in files]
        apart = [stem if stems.count(stem) == 1 else f"{file.parent.name}/{file.name}"
                 for stem, file in zip(stems, files, strict=True)]  # fmt: skip
        return [shown_path(name if apart.count(name) == 1 and name != BICUBIC else f"{name} ({number})")
                for number, name in enumerate(apart, 1)]  # fmt: skip
    if len(labels) != len(files):
        raise SetupError(f"expected a name for each network, found {len(labels)} --labels for {len(files)} networks")
    if len({*labels, BICUBIC}) <= len(labels):
        raise SetupError(f"expected different --labels, none of them {BICUBIC!r}, found {', '.join(labels)}")
    return list(labels)


def list_photographs(places: Sequence[str], console: Console, *, recursive: bool = False) -> list[Path]:
    """The photographs of files, folders and patterns; says what is left out. Raises ValueError, FileNotFoundError."""
    listing = list_images(places, recursive=recursive)
    if listing.left_out:
        tell(console, f"left out: {', '.join(listing.reasons())}")
    for fault in listing.faults.values():
        tell(console, f"left out: {fault}")
    return [image.file for image in listing.images]


def tell_left_out(console: Console, comparison: Comparison) -> None:
    """Say which photographs could not be looked at, and why."""
    for file, reason in comparison.left_out:
        tell(console, f"left out: {file}: {reason}")


def tell(console: Console, text: str) -> None:
    """Print a line; what a terminal would obey is spelt out."""
    console.print(printable(text))

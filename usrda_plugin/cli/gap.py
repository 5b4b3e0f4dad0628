"""``usrda gap``: how far two sets of photographs are apart."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from PIL import Image
from torch import nn

from usrda_plugin.archs.opening import open_network
from usrda_plugin.cli.exits import printable
from usrda_plugin.cli.terminal import plain_console
from usrda_plugin.errors import SetupError
from usrda_plugin.evaluation import Gap, measure_gap
from usrda_plugin.weights.writing import SaveError, together, write_bytes, write_text


def run(chosen: argparse.Namespace) -> None:
    """Measure, print and write. Raises SetupError for what the user can mend; then nothing is written."""
    for file, suffix in ((chosen.output, ".json"), (chosen.plot, ".png")):
        _check_result(file, suffix, overwrite=chosen.overwrite)
    Image.MAX_IMAGE_PIXELS = None  # the user's own photographs are as large as they are
    gap = measure_gap(chosen.source, chosen.target, _open(chosen.weights), chosen.scale, chosen.seed)
    plain_console().print(printable(gap.describe()))
    try:
        _write(gap, chosen.output, chosen.plot)
    except SaveError as error:
        raise SetupError(str(error)) from error


def _open(weights: Path | None) -> nn.Module | None:
    try:
        return None if weights is None else open_network(weights)
    except (ValueError, OSError) as error:
        raise SetupError(str(error)) from error


def _check_result(file: Path | None, suffix: str, *, overwrite: bool) -> None:
    if file is None:
        return
    if file.suffix.lower() != suffix:
        raise SetupError(f"{file}: expected a name that ends in {suffix}, found another; write {file.stem}{suffix}")
    if not file.parent.is_dir():
        raise SetupError(f"{file}: expected a folder {file.parent} to write to, found none; make it first")
    if file.is_dir() or (file.exists() and not overwrite):
        found = "a folder" if file.is_dir() else "a file"
        remedy = "give another name" + ("" if file.is_dir() else ", or --overwrite")
        raise SetupError(f"{file}: expected no such file yet, found {found}; {remedy}")


def _write(gap: Gap, output: Path | None, plot: Path | None) -> None:
    """Write both files or none."""
    with together():
        if output is not None:
            write_text(output, json.dumps(gap.to_dict(), indent=2, ensure_ascii=False) + "\n")
        if plot is not None:
            from usrda_plugin.evaluation.picture import png  # matplotlib takes its time

            write_bytes(plot, png(gap))

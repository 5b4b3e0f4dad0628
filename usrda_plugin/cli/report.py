"""``usrda report``: the page of a run."""

from __future__ import annotations

import argparse

from rich.console import Console

from usrda_plugin.cli.compare import list_photographs, tell, tell_left_out
from usrda_plugin.cli.terminal import plain_console
from usrda_plugin.compat.plugins import load_plugins
from usrda_plugin.errors import SetupError
from usrda_plugin.reports import Comparison, compare_run, write_report
from usrda_plugin.reports.page import check_output
from usrda_plugin.reports.report import REPORT


def run(chosen: argparse.Namespace) -> None:
    """Write the page. Raises SetupError for what the user can mend."""
    console = plain_console(stderr=True)
    if chosen.run.is_dir():
        check_output(chosen.output or chosen.run / REPORT, overwrite=chosen.overwrite)
    comparison = _compare(chosen, console)
    written = write_report(chosen.run, chosen.output, comparison, overwrite=chosen.overwrite)
    tell(console, f"{written}: open it in a browser")


def _compare(chosen: argparse.Namespace, console: Console) -> Comparison:
    if chosen.no_pictures:
        return Comparison([], notes=("--no-pictures was said",))
    try:
        load_plugins()
        photographs = list_photographs(chosen.input, console) if chosen.input else None
    except (ValueError, OSError) as error:
        raise SetupError(str(error)) from error
    comparison = compare_run(
        chosen.run, photographs, limit=chosen.limit, device=chosen.device, note=lambda text: tell(console, text)
    )
    tell_left_out(console, comparison)
    if not comparison.scenes:
        failed = ["no photograph could be enlarged"] if comparison.left_out else []
        reasons = "; ".join([*comparison.notes, *failed])
        if chosen.input:
            raise SetupError(f"expected pictures of --input in the page, found none: {reasons}")
        tell(console, f"no pictures: {reasons}")
    return comparison

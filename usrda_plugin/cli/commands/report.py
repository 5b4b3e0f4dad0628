"""The arguments of ``usrda report``."""

from __future__ import annotations

import argparse
from pathlib import Path

from usrda_plugin.cli.commands import Command, path
from usrda_plugin.cli.commands.compare import add_looking

EXAMPLES = """Examples:
  usrda report experiments/train_usrda
  usrda report experiments/train_usrda --input photos --limit 3 --output train_usrda.html
  usrda report experiments/train_usrda --no-pictures --overwrite

RUN is any run of BasicSR, or what usrda adapt has made. The page is one file, report.html in RUN by default: is it
better, what was the camera like, how did training go, what was used and what left out, how to use the network."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run, the photographs, and where the page goes."""
    parser.epilog = EXAMPLES
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a run, such as experiments/NAME")
    parser.add_argument("-o", "--output", type=path, metavar="FILE.html", help="the page (default: RUN/report.html)")
    parser.add_argument("--overwrite", action="store_true", help="replace the page if it is there")
    pictures = parser.add_mutually_exclusive_group()
    pictures.add_argument(
        "--input", nargs="+", metavar="PLACE",
        help="photographs to compare on (default: those that the run was adapted to)",
    )  # fmt: skip
    pictures.add_argument("--no-pictures", action="store_true", help="leave the sliders out: no network is run")
    add_looking(parser)


COMMAND = Command("write the page of a run: pictures, curves, alarms, settings", add_arguments, "report")

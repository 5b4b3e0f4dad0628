"""The arguments of ``usrda compare``."""

from __future__ import annotations

import argparse
from pathlib import Path

from usrda_plugin.cli.commands import Command, path, positive

EXAMPLES = """Examples:
  usrda compare start.pth adapted.pth --input photos --output compare.html
  usrda compare adapted.pth --input photos/0.png photos/1.png --output compare.html --overwrite
  usrda compare start.pth adapted.pth --input photos --output small.html --labels before after --limit 2

The page is one file. It needs no network, and opens in any browser."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to compare, on what, and where the page goes."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "weights", nargs="+", type=Path, metavar="FILE",
        help="networks of one scale: .pth or .safetensors; what is not ours or BasicSR's is opened by spandrel, if"
        " installed",
    )  # fmt: skip
    parser.add_argument(
        "--input", required=True, nargs="+", metavar="PLACE", help="photographs: images, folders, patterns in quotes"
    )
    parser.add_argument("--recursive", action="store_true", help="images of subfolders too")
    parser.add_argument("-o", "--output", required=True, type=path, metavar="FILE.html", help="the page to write")
    parser.add_argument("--overwrite", action="store_true", help="replace the page if it is there")
    parser.add_argument("--labels", nargs="+", metavar="NAME", help="a name for each network (default: its file's)")
    add_looking(parser)


def add_looking(parser: argparse.ArgumentParser) -> None:
    """Add how many photographs are looked at, and where the networks run."""
    parser.add_argument(
        "--limit", type=positive, default=6, metavar="N", help="photographs to look at, evenly spaced (default: 6)"
    )
    parser.add_argument("--device", default="auto", metavar="DEVICE", help="auto, cpu, cuda or cuda:NUMBER")


COMMAND = Command("put networks side by side on photographs, in a page with sliders", add_arguments, "compare")

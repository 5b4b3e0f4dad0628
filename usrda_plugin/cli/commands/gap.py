"""The arguments of ``usrda gap``."""

from __future__ import annotations

import argparse

from usrda_plugin.cli.commands import Command, path

EXAMPLES = """Examples:
  usrda gap --source hr --target photos --scale 2
  usrda gap --source hr --target photos --scale 2 --weights net_g_latest.pth --output gap.json --plot gap.png

Two cameras, or the halves of one folder, as they are:
  usrda gap --source camera_a --target camera_b"""


def scale(text: str) -> int:
    """An argument from 1 to 16."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 16):
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 to 16, found {text!r}")
    return int(text)


def seed(text: str) -> int:
    """An argument that is a number of 0 or more."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"expected a whole number of 0 or more, found {text!r}")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what is compared, how, and where the results go."""
    parser.epilog = EXAMPLES
    place = "folder of photographs, subfolders too, or an LMDB"
    parser.add_argument("--source", required=True, metavar="FOLDER", help=f"{place}: what a network is trained on")
    parser.add_argument("--target", required=True, metavar="FOLDER", help=f"{place}: what it shall be used on")
    parser.add_argument(
        "--scale", type=scale, default=1, metavar="N", help="shrink the source by this first, as training does with HR"
        " photographs (default: 1, as it is)"
    )  # fmt: skip
    parser.add_argument(
        "--weights",
        type=path,
        metavar="FILE",
        help="compare what this USRDANet or RRDBNet makes of the photographs too",
    )
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="decides where crops are cut (default: 0)")
    results = parser.add_argument_group("results")
    results.add_argument("-o", "--output", type=path, metavar="FILE.json", help="write all numbers")
    results.add_argument("--plot", type=path, metavar="FILE.png", help="draw spectra and measures")
    results.add_argument("--overwrite", action="store_true", help="replace files that are there")


COMMAND = Command("measure how far two sets of photographs are apart, without ground truth", add_arguments, "gap")

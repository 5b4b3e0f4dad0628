"""The arguments of ``usrda lmdb``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import get_args

from usrda_plugin.choices import Encoding
from usrda_plugin.cli.commands import Command, add_action

EXAMPLES = """Examples:
  usrda lmdb make --input datasets/source/HR --output datasets/source_hr.lmdb
  usrda lmdb make --input datasets/source/HR --output datasets/source_hr_tiles.lmdb --crop 480 --encoding png

Tiles of given pairs at x4, which filename_tmpl pairs as it does the images themselves:
  usrda lmdb make --input datasets/pairs/HR --output datasets/pairs_hr.lmdb --crop 480 --step 240 --multiple 4
  usrda lmdb make --input datasets/pairs/LR --output datasets/pairs_lr.lmdb --crop 120 --step 60

Give the LMDB to an option file in the place of the folder: dataroot_gt: datasets/source_hr.lmdb"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two things to do with an LMDB."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="{make,verify}")
    make = add_action(actions, "make", "write the images of a folder into a new LMDB", EXAMPLES)
    make.add_argument("--input", required=True, type=Path, metavar="FOLDER", help="folder of images, or an LMDB")
    make.add_argument("--output", required=True, type=Path, metavar="NAME.lmdb", help="the LMDB, which must not exist")
    make.add_argument(
        "--encoding",
        choices=get_args(Encoding),
        default="ppm",
        help="ppm: not compressed, nothing is decoded in training (default); png: half the space, decoded each time",
    )
    make.add_argument("--crop", type=int, metavar="PIXELS", help="cut images into square tiles; absent: whole images")
    make.add_argument("--step", type=int, metavar="PIXELS", help="from one tile to the next (default: half of --crop)")
    make.add_argument(
        "--multiple",
        type=int,
        default=1,
        metavar="PIXELS",
        help="first cut each side to a multiple of this; the scale, for HR tiles beside tiles of given LR images",
    )
    make.add_argument(
        "--meta-info", type=Path, metavar="FILE", help="take only the images that this text file lists, one a line"
    )
    verify = add_action(actions, "verify", "read every image of an LMDB and name each fault", "")
    verify.add_argument("lmdb", type=Path, metavar="NAME.lmdb", help="an LMDB made by this command or by BasicSR's")


COMMAND = Command("make an LMDB of a folder's images, or verify one", add_arguments, "lmdb")

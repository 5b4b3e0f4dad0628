"""``usrda lmdb``: make an LMDB of a folder's images, and verify one."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

from lmdb import Error as LmdbError
from rich.console import Console
from rich.progress import track
from rich_argparse import RawDescriptionRichHelpFormatter

from usrda_plugin.data import Layout, make_lmdb, verify_lmdb
from usrda_plugin.data.checksums import FILE as CHECKSUMS
from usrda_plugin.data.checksums import read_checksums
from usrda_plugin.data.encoding import ENCODINGS
from usrda_plugin.data.stores import LmdbStore
from usrda_plugin.data.unfinished import clear_unfinished
from usrda_plugin.runner.launch import SetupError

_MAKE_EXAMPLES = """Examples:
  usrda lmdb make --input datasets/source/HR --output datasets/source_hr.lmdb
  usrda lmdb make --input datasets/source/HR --output datasets/source_hr_tiles.lmdb --crop 480 --encoding png

Tiles of given pairs at x4, which filename_tmpl pairs as it does the images themselves:
  usrda lmdb make --input datasets/pairs/HR --output datasets/pairs_hr.lmdb --crop 480 --step 240 --multiple 4
  usrda lmdb make --input datasets/pairs/LR --output datasets/pairs_lr.lmdb --crop 120 --step 60

Give the LMDB to an option file in the place of the folder: dataroot_gt: datasets/source_hr.lmdb"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two things to do with an LMDB."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="{make,verify}")
    make = _add_action(actions, "make", "write the images of a folder into a new LMDB", _MAKE_EXAMPLES)
    make.add_argument("--input", required=True, type=Path, metavar="FOLDER", help="folder of images, or an LMDB")
    make.add_argument("--output", required=True, type=Path, metavar="NAME.lmdb", help="the LMDB, which must not exist")
    make.add_argument(
        "--encoding",
        choices=ENCODINGS,
        default=Layout().encoding,
        help="ppm: not compressed, nothing is decoded in training (default); png: half the space, decoded each time",
    )
    make.add_argument("--crop", type=int, metavar="PIXELS", help="cut images into square tiles; absent: whole images")
    make.add_argument("--step", type=int, metavar="PIXELS", help="from one tile to the next (default: half of --crop)")
    make.add_argument(
        "--multiple",
        type=int,
        default=Layout().multiple,
        metavar="PIXELS",
        help="first cut each side to a multiple of this; the scale, for HR tiles beside tiles of given LR images",
    )
    make.add_argument(
        "--meta-info", type=Path, metavar="FILE", help="take only the images that this text file lists, one a line"
    )
    verify = _add_action(actions, "verify", "read every image of an LMDB and name each fault", "")
    verify.add_argument("lmdb", type=Path, metavar="NAME.lmdb", help="an LMDB made by this command or by BasicSR's")


def run(chosen: argparse.Namespace) -> None:
    """Do what the user chose. Raises SetupError where there is a fault."""
    {"make": make, "verify": verify}[chosen.action](chosen)


def make(chosen: argparse.Namespace) -> None:
    """Write an LMDB and say what it holds. Raises SetupError that says what was not as expected."""
    try:
        layout = Layout(chosen.crop, chosen.step, chosen.multiple, chosen.encoding)
        _clear(chosen.output)
        count = make_lmdb(
            chosen.input, chosen.output, layout=layout, meta_info=chosen.meta_info, progress=_bar("images")
        )
    except (ValueError, OSError, LmdbError) as fault:
        raise SetupError(str(fault)) from fault
    _say(f"{chosen.output}: {count} {'entries' if layout.crop else 'images'}, {_size(chosen.output)}")
    if layout.crop:
        _say(f"every patch of up to {layout.largest_patch} pixels a side lies whole in one of the tiles")


def _clear(output: Path) -> None:
    left = clear_unfinished(output)
    for folder in left.removed:
        _say(f"{folder}: removed; a run that was killed had left it unfinished")
    for folder in left.unknown:
        _say(f"{folder}: unfinished, and this file system cannot tell by whom; remove it where no other run is at work")


def verify(chosen: argparse.Namespace) -> None:
    """Print each fault of an LMDB, or what it holds. Raises SetupError where there are faults."""
    faults = verify_lmdb(chosen.lmdb, progress=_bar("entries"))
    for fault in faults:
        _say(fault)
    if faults:
        number = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise SetupError(f"{number} in {chosen.lmdb}; make it again from its images: usrda lmdb make --help")
    if read_checksums(chosen.lmdb) is None:
        _say(f"{chosen.lmdb} has no {CHECKSUMS}: bits that have flipped among pixels are seen in its PNG entries alone")
    _say(f"{chosen.lmdb}: {len(LmdbStore(chosen.lmdb).entries())} images, {_size(chosen.lmdb)}, no fault")


def _add_action(actions: argparse._SubParsersAction, name: str, text: str, examples: str) -> argparse.ArgumentParser:
    action: argparse.ArgumentParser = actions.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=examples,
        formatter_class=RawDescriptionRichHelpFormatter,
        allow_abbrev=False,
    )
    # also before the action; here it must not undo what was said there
    action.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks")
    return action


def _bar(description: str) -> Callable[[range], Iterable[int]]:
    return lambda numbers: track(numbers, description=description, console=Console(stderr=True))


def _say(line: str) -> None:
    # one line each, to be searched and copied
    Console(soft_wrap=True, highlight=False, markup=False).print(line)


def _size(path: Path) -> str:
    size = (path / "data.mdb").stat().st_size
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"

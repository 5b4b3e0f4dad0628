"""``usrda``: the commands that are ours, and their arguments. Nothing heavy is imported, so that help comes at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

from rich_argparse import RawDescriptionRichHelpFormatter

from usrda_plugin import __version__
from usrda_plugin.choices import AlphaBy, Encoding, Extension, Precision
from usrda_plugin.cli.exits import run_command

MAKE_EXAMPLES = """Examples:
  usrda lmdb make --input datasets/source/HR --output datasets/source_hr.lmdb
  usrda lmdb make --input datasets/source/HR --output datasets/source_hr_tiles.lmdb --crop 480 --encoding png

Tiles of given pairs at x4, which filename_tmpl pairs as it does the images themselves:
  usrda lmdb make --input datasets/pairs/HR --output datasets/pairs_hr.lmdb --crop 480 --step 240 --multiple 4
  usrda lmdb make --input datasets/pairs/LR --output datasets/pairs_lr.lmdb --crop 120 --step 60

Give the LMDB to an option file in the place of the folder: dataroot_gt: datasets/source_hr.lmdb"""

UPSCALE_EXAMPLES = """Examples:
  usrda upscale --weights net_g_latest.pth --input photos --output upscaled
  usrda upscale --weights net_g_latest.pth --input 'photos/**/*.jpg' --output upscaled --ext png --skip-existing
  usrda upscale --weights net_g_latest.pth --input camera --recursive --output upscaled --quality 90
  usrda upscale --weights RealESRGAN_x4plus.pth --input photo.png --output large.png --self-ensemble"""


class Command(NamedTuple):
    """A sub-command: its help, what adds its arguments, and what runs it."""

    text: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit code: 0, 2 where options or files are at fault, 130 where the user stopped it."""
    return run_command("usrda", build_parser, lambda chosen: COMMANDS[chosen.command].run(chosen), arguments)


def build_parser() -> argparse.ArgumentParser:
    """The parser of the command line, with one sub-command for each of ``COMMANDS``."""
    parser = argparse.ArgumentParser(
        prog="usrda",
        description="Tools around USR-DA, unsupervised real-world super-resolution by domain adaptation.",
        epilog="Training and testing: basicsr train --help, basicsr test --help.",
        formatter_class=RawDescriptionRichHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"usrda_plugin {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        added = _add_parser(commands, name, command.text)
        added.add_argument("--debug", action="store_true", help="show tracebacks")
        command.add_arguments(added)
    return parser


def _run_doctor(chosen: argparse.Namespace) -> None:
    from usrda_plugin.cli import doctor

    doctor.run(chosen)


def _run_lmdb(chosen: argparse.Namespace) -> None:
    from usrda_plugin.cli import lmdb

    lmdb.run(chosen)


def _run_upscale(chosen: argparse.Namespace) -> None:
    from usrda_plugin.cli import upscale

    upscale.run(chosen)


def _add_lmdb_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two things to do with an LMDB."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="{make,verify}")
    make = _add_action(actions, "make", "write the images of a folder into a new LMDB", MAKE_EXAMPLES)
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
    verify = _add_action(actions, "verify", "read every image of an LMDB and name each fault", "")
    verify.add_argument("lmdb", type=Path, metavar="NAME.lmdb", help="an LMDB made by this command or by BasicSR's")


def _add_upscale_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what to upscale, with what, where to, and how."""
    parser.epilog = UPSCALE_EXAMPLES
    parser.add_argument("--weights", required=True, metavar="FILE", help="network: a .pth or .safetensors file")
    parser.add_argument(
        "--input",
        required=True,
        nargs="+",
        metavar="PLACE",
        help="image, folder, or pattern in quotes ('photos/**/*.png')",
    )
    parser.add_argument("--recursive", action="store_true", help="images of subfolders too; results keep the structure")
    parser.add_argument(
        "--output", required=True, type=_path, metavar="PLACE", help="folder of results; for one image also a file"
    )
    network = parser.add_argument_group("network")
    network.add_argument("--opt", metavar="FILE", help="option file whose network_g it is, if the weights do not tell")
    network.add_argument("--param-key", metavar="KEY", help="weights in the file (default: the average, then params)")
    network.add_argument("--plugin", action="append", default=[], metavar="MODULE", help="module that registers more")
    network.add_argument("--self-ensemble", action="store_true", help="mean over eight flips and turns: 8 x the time")
    files = parser.add_argument_group("files")
    files.add_argument("--suffix", default="", help="added to the names of results")
    files.add_argument(
        "--ext", choices=get_args(Extension), default="auto", help="format (default: the input's, or png)"
    )
    files.add_argument(
        "--quality", type=_percent, metavar="N", help="of JPEG and WebP, 1 to 100 (default: 95, lossless WebP stays so)"
    )
    files.add_argument("--alpha", choices=get_args(AlphaBy), default="network", help="what enlarges alpha")
    there = files.add_mutually_exclusive_group()
    there.add_argument("--skip-existing", action="store_true", help="leave out images whose result is there")
    there.add_argument("--overwrite", action="store_true", help="replace results that are there")
    speed = parser.add_argument_group("speed and memory")
    speed.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:NUMBER")
    speed.add_argument(
        "--precision",
        choices=get_args(Precision),
        default="auto",
        help="default: fp16 on a GPU, fp32 on a CPU; exact: fp32, bit for bit as `basicsr test`, but slower",
    )
    speed.add_argument("--compile", action="store_true", help="compile the network: slow start, then faster")
    speed.add_argument(
        "--tile", type=_number_or("auto", "none"), default="auto", metavar="N", help="side of a tile in input pixels,"
        " overlap included; auto: by free memory; none: the whole image at once"
    )  # fmt: skip
    speed.add_argument(
        "--overlap", type=_number_or("auto", "full"), default="auto", metavar="N", help="input pixels around a tile"
        " that are computed twice; full: the receptive field, so that tiles are exact; auto: that, but of"
        " deep networks 16 cells of their features"
    )  # fmt: skip
    speed.add_argument("--batch", type=_number_or("auto"), default="auto", metavar="N", help="tiles at a time")


def _add_action(actions: argparse._SubParsersAction, name: str, text: str, examples: str) -> argparse.ArgumentParser:
    action = _add_parser(actions, name, text)
    action.epilog = examples
    # also before the action; here it must not undo what was given there
    action.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks")
    return action


def _add_parser(parsers: argparse._SubParsersAction, name: str, text: str) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = parsers.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        formatter_class=RawDescriptionRichHelpFormatter,
        allow_abbrev=False,
    )
    return added


def _number_or(*words: str) -> Callable[[str], Any]:
    """An argument that is a number of 0 or more, or one of these words."""

    def parse(text: str) -> int | str:
        if text in words:
            return text
        if not text.isdigit():
            raise argparse.ArgumentTypeError(f"expected a number or {' or '.join(words)}, found {text!r}")
        return int(text)

    return parse


def _percent(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 100):
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 100, found {text!r}")
    return int(text)


def _path(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("expected a folder or a file, found an empty name")
    return Path(text)


COMMANDS = {
    "doctor": Command(
        "say what is installed, which faults of BasicSR are mended, what is missing", lambda parser: None, _run_doctor
    ),
    "lmdb": Command("make an LMDB of a folder's images, or verify one", _add_lmdb_arguments, _run_lmdb),
    "upscale": Command("super-resolve images with a trained network", _add_upscale_arguments, _run_upscale),
}


if __name__ == "__main__":
    sys.exit(main())

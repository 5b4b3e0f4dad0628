"""``usrda``: the commands that are ours."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple

from rich_argparse import RawDescriptionRichHelpFormatter

from usrda_plugin import __version__
from usrda_plugin.cli.arguments import add_doctor_arguments, add_lmdb_arguments, add_upscale_arguments
from usrda_plugin.cli.exits import run_command


class Command(NamedTuple):
    """A sub-command: what adds its arguments, the module whose ``run`` runs it, imported only then, and its help."""

    add_arguments: Callable[[argparse.ArgumentParser], None]
    module: str
    text: str


COMMANDS = {
    "doctor": Command(
        add_doctor_arguments,
        "usrda_plugin.cli.doctor",
        "say what is installed, which faults of BasicSR are mended, what is missing",
    ),
    "lmdb": Command(add_lmdb_arguments, "usrda_plugin.cli.lmdb", "make an LMDB of a folder's images, or verify one"),
    "upscale": Command(
        add_upscale_arguments, "usrda_plugin.cli.upscale", "super-resolve images with a trained network"
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code: 0, 2 where options or files are at fault, 130 where the user stopped it."""
    return run_command("usrda", build_parser, _start, arguments)


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
    for name, (add_arguments, _, text) in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=text,
            description=text[0].upper() + text[1:] + ".",
            formatter_class=RawDescriptionRichHelpFormatter,
            allow_abbrev=False,
        )
        command.add_argument("--debug", action="store_true", help="show tracebacks")
        add_arguments(command)
    return parser


def _start(chosen: argparse.Namespace) -> None:
    import_module(COMMANDS[chosen.command].module).run(chosen)


if __name__ == "__main__":
    sys.exit(main())

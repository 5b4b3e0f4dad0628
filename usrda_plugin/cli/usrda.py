"""``usrda``: the commands that are ours."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from rich_argparse import RawDescriptionRichHelpFormatter

from usrda_plugin import __version__
from usrda_plugin.cli import doctor, lmdb, upscale
from usrda_plugin.cli.exits import run_command

# a command is a module with these two: what adds its arguments, what runs it
Command = tuple[Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], None], str]

COMMANDS: dict[str, Command] = {
    "doctor": (
        doctor.add_arguments,
        doctor.run,
        "say what is installed, which faults of BasicSR are mended, what is missing",
    ),
    "lmdb": (lmdb.add_arguments, lmdb.run, "make an LMDB of a folder's images, or verify one"),
    "upscale": (upscale.add_arguments, upscale.run, "super-resolve images with a trained network"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code: 0, 2 where options or files are at fault, 130 where the user stopped it."""
    chosen = build_parser().parse_args(arguments)
    _, run, _ = COMMANDS[chosen.command]
    return run_command("usrda", lambda: run(chosen), show_traceback=chosen.debug)


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


if __name__ == "__main__":
    sys.exit(main())

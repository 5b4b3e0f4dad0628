"""``usrda``: the commands that are ours. Nothing heavy is imported, so that help comes at once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from rich_argparse import RawDescriptionRichHelpFormatter

from usrda_plugin import __version__
from usrda_plugin.cli.commands import adapt, add_parser, camera, compare, doctor, gap, init, lmdb, report, upscale
from usrda_plugin.cli.exits import run_command

COMMANDS = {
    "adapt": adapt.COMMAND,
    "camera": camera.COMMAND,
    "compare": compare.COMMAND,
    "doctor": doctor.COMMAND,
    "gap": gap.COMMAND,
    "init": init.COMMAND,
    "lmdb": lmdb.COMMAND,
    "report": report.COMMAND,
    "upscale": upscale.COMMAND,
}


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
        added = add_parser(commands, name, command.text)
        added.add_argument("--debug", action="store_true", help="show tracebacks")
        command.add_arguments(added)
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""How a command of ``usrda`` is declared, and the kinds of arguments that commands share. Imports nothing heavy.

Each module here has a ``COMMAND``: its help, its arguments, and the module of ``usrda_plugin.cli`` that runs it, which
is imported when it is chosen, so that help comes at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from rich_argparse import RawDescriptionRichHelpFormatter


class Command(NamedTuple):
    """A sub-command: its help in a line, what adds its arguments, and the module whose ``run`` runs it."""

    text: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    module: str

    def run(self, chosen: argparse.Namespace) -> None:
        """Run it. Raises SetupError for what the user can mend."""
        import_module(f"usrda_plugin.cli.{self.module}").run(chosen)


def add_action(actions: argparse._SubParsersAction, name: str, text: str, examples: str) -> argparse.ArgumentParser:
    """Add one of the things that a command does, with examples below its help."""
    action = add_parser(actions, name, text)
    action.epilog = examples
    # also before the action; here it must not undo what was given there
    action.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks")
    return action


def add_parser(parsers: argparse._SubParsersAction, name: str, text: str) -> argparse.ArgumentParser:
    """Add the parser of a command, whose help is one line."""
    added: argparse.ArgumentParser = parsers.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        formatter_class=RawDescriptionRichHelpFormatter,
        allow_abbrev=False,
    )
    return added


def number_or(*words: str) -> Callable[[str], Any]:
    """An argument that is a number of 0 or more, or one of these words."""

    def parse(text: str) -> int | str:
        if text in words:
            return text
        if not text.isdigit():
            raise argparse.ArgumentTypeError(f"expected a number or {' or '.join(words)}, found {text!r}")
        return int(text)

    return parse


def positive(text: str) -> int:
    """An argument that is a whole number of 1 or more."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a number of 1 or more, found {text!r}")
    return int(text)


def percent(text: str) -> int:
    """An argument from 1 to 100."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 100):
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 100, found {text!r}")
    return int(text)


def path(text: str) -> Path:
    """An argument that names a file or a folder."""
    if not text:
        raise argparse.ArgumentTypeError("expected a folder or a file, found an empty name")
    return Path(text)

"""How commands end: a message and an exit code for what the user can mend, a traceback for what only we can."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable

from usrda_plugin.runner.errors import LostProcessError, SetupError, TrainingError, is_first_of_machine

BROKEN_OFF = 1
USER_FAULT = 2
INTERRUPTED = 130


def run_command(name: str, command: Callable[[], None], *, show_traceback: bool) -> int:
    """Run ``command``; gives 0, 2 after a SetupError, 1 where a training broke off, 130 after Ctrl-C.

    A SetupError and a TrainingError are told on stderr, in one message; a LostProcessError has been told.
    """
    try:
        command()
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except SetupError as fault:
        if show_traceback:
            raise
        # of several processes with the same fault, one speaks
        if is_first_of_machine():
            print(printable(f"{name}: {fault}"), file=sys.stderr)
        return USER_FAULT
    except (TrainingError, LostProcessError) as fault:
        if show_traceback:
            raise
        if isinstance(fault, TrainingError) and is_first_of_machine():
            print(printable(f"{name}: {fault}"), file=sys.stderr)
        return BROKEN_OFF
    return 0


def printable(text: str) -> str:
    """The text for a terminal: what a file's name has of control characters is spelt out, so that it does nothing."""
    return "".join(c if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs") else _spelt(c) for c in text)


def _spelt(character: str) -> str:
    return character.encode("unicode_escape").decode()

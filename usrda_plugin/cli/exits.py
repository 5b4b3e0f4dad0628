"""How commands end: a message and an exit code for what the user can mend, a traceback for what only we can."""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
import unicodedata
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TextIO

from usrda_plugin.errors import PeerFailureError, SetupError, TrainingError, is_first_of_machine

BROKEN_OFF = 1
USER_FAULT = 2
INTERRUPTED = 130


def run_command(
    name: str,
    build_parser: Callable[[], argparse.ArgumentParser],
    run: Callable[[argparse.Namespace], None],
    arguments: Sequence[str] | None = None,
) -> int:
    """Parse the command line and run it; gives 0, 2 after a SetupError, 1 where a training broke off, 130 after Ctrl-C.

    A SetupError and a TrainingError are reported on stderr, in one message; a PeerFailureError has been before. Output
    that cannot be written gives 1, with a message unless it is a pipe that nobody reads any more.
    """
    _print_any_name()
    try:
        try:
            return _run(name, build_parser().parse_args(arguments), run)
        finally:
            _flush(sys.stderr)
            if error := _flush(sys.stdout):  # here, where it can be reported, and not at the end of Python
                raise error
    except OSError as error:
        if not _is_of_output(error):
            raise
        if error.errno != errno.EPIPE:
            _print(name, f"the output cannot be written: {error}")
        return BROKEN_OFF


def _run(name: str, chosen: argparse.Namespace, run: Callable[[argparse.Namespace], None]) -> int:
    try:
        run(chosen)
    except KeyboardInterrupt:
        _print(name, "interrupted")
        return INTERRUPTED
    except (SetupError, TrainingError, PeerFailureError) as fault:
        if chosen.debug:
            raise
        if isinstance(fault.__cause__, OSError) and _is_of_output(fault.__cause__):
            raise fault.__cause__ from None
        # of several processes with the same fault, one speaks
        if not isinstance(fault, PeerFailureError) and is_first_of_machine():
            _print(name, str(fault))
        return USER_FAULT if isinstance(fault, SetupError) else BROKEN_OFF
    except ModuleNotFoundError as missing:
        if missing.name != "basicsr":
            raise
        _print(name, "expected BasicSR, found no module basicsr; pip install basicsr")
        return USER_FAULT
    return 0


def printable(text: str) -> str:
    """The text for a terminal: what a file's name has of control characters is spelt out, so that it does nothing."""
    return "".join(c if c == "\n" or unicodedata.category(c) not in ("Cc", "Cs") else _spelt(c) for c in text)


def _spelt(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _print_any_name() -> None:
    """Let a file's name that the terminal's encoding does not have be printed in escapes."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _is_of_output(error: OSError) -> bool:
    """Whether this comes from writing to an open stream: what is met at a file has the file's name."""
    return error.filename is None and error.errno in (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)


def _flush(stream: TextIO | None) -> OSError | None:
    """What keeps a stream from being written, if anything; from then on nothing more of it is tried."""
    try:
        if stream:  # None where the shell has closed it
            stream.flush()
    except OSError as error:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[union-attr]
        return error
    return None


def _print(name: str, message: str) -> None:
    with suppress(OSError):
        print(printable(f"{name}: {message}"), file=sys.stderr)

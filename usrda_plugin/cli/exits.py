"""How commands end: a message and an exit code for what the user can mend, a traceback for what only we can."""

from __future__ import annotations

import sys
from collections.abc import Callable

from usrda_plugin.runner.launch import SetupError, is_first_of_machine
from usrda_plugin.runner.lost_process import LostProcessError

LOST = 1
USER_FAULT = 2
INTERRUPTED = 130


def run_command(name: str, command: Callable[[], None], *, show_traceback: bool) -> int:
    """Run ``command``; gives 0, 2 after a SetupError, 130 after Ctrl-C, 1 where other processes are lost.

    A SetupError is told on stderr, in one message; a LostProcessError has been told.
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
            print(f"{name}: {fault}", file=sys.stderr)
        return USER_FAULT
    except LostProcessError:
        if show_traceback:
            raise
        return LOST
    return 0

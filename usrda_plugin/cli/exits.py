"""How commands end: a message and an exit code for what the user can mend, a traceback for what only we can."""

from __future__ import annotations

import sys
from collections.abc import Callable

from usrda_plugin.models.divergence import TrainingDiverged
from usrda_plugin.runner.launch import SetupError, is_first_process

FAILED = 1
USER_FAULT = 2
INTERRUPTED = 130


def run_command(name: str, command: Callable[[], None], *, show_traceback: bool) -> int:
    """Run ``command``; gives 0, 1 after TrainingDiverged, 2 after SetupError (one message each), 130 after Ctrl-C."""
    try:
        command()
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except (SetupError, TrainingDiverged) as fault:
        if show_traceback:
            raise
        # of several processes with the same fault, one speaks
        if is_first_process():
            print(f"{name}: {fault}", file=sys.stderr)
        return USER_FAULT if isinstance(fault, SetupError) else FAILED
    return 0

"""When a training shall stop before its end: a signal, or the time that it was given."""

from __future__ import annotations

import os
import signal
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import torch
import torch.distributed

from usrda_plugin.compat.distributed import process_timeout

# HUP: the terminal is closed. USR1: a batch system's warning (sbatch --signal=USR1@60). Not every system has them
_NAMES = ("SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1")
SIGNALS = tuple(signal.Signals[name] for name in _NAMES if name in signal.Signals.__members__)


class Stopped(Exception):
    """Training has been stopped, and what it had is saved."""


class StopWish:
    """What has asked this process to stop, if anything has.

    Args:
        time_limit: seconds from now; None: no limit.
    """

    def __init__(self, time_limit: float | None = None) -> None:
        self.deadline = None if time_limit is None else time.monotonic() + time_limit
        self.time_limit = time_limit
        self.may_interrupt = False
        """Whether a signal shall break off what the process does, by raising Stopped."""
        self._signal: signal.Signals | None = None
        self._agreement: _Agreement | None = None

    @property
    def reason(self) -> str | None:
        """What has asked, in words; None: nothing."""
        if self._signal is not None:
            return self._signal.name
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return f"the time limit of {self.time_limit:g} seconds"
        return None

    def agreed(self) -> str | None:
        """As ``reason``, but on all processes in the same iteration: what one of them was asked one call ago."""
        if not torch.distributed.is_available() or not torch.distributed.is_initialized():
            return self.reason
        if self._agreement is None:
            self._agreement = _Agreement()
        asked_somewhere = self._agreement.exchange(self.reason is not None)
        return (self.reason or "another process") if asked_somewhere else None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While open, ``SIGNALS`` are remembered; a second SIGINT interrupts at once."""
        here = threading.current_thread() is threading.main_thread()  # no other may listen
        # what a shell has its background jobs ignore is ignored still
        heard = [number for number in SIGNALS if here and signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._remember) for number in heard}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        again = number == self._signal == signal.SIGINT
        self._signal = signal.Signals(number)
        if self._signal.name == "SIGHUP":
            _leave_terminal()
        if again:
            raise KeyboardInterrupt
        if self.may_interrupt:
            self.may_interrupt = False
            raise Stopped(self._signal.name)


def _leave_terminal() -> None:
    """Let what is still written to a closed terminal, or to a program that ends with it, go nowhere; the log has it."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        with suppress(OSError):
            if not stat.S_ISREG(os.fstat(stream).st_mode):
                os.dup2(nowhere, stream)
    os.close(nowhere)


class _Agreement:
    """Tells all processes what one of them has said, one exchange later, by a group of its own on the CPU.

    The answer travels while the step is computed, so that nobody waits for the device, nor much for the others.
    """

    def __init__(self) -> None:
        self.group = torch.distributed.new_group(backend="gloo", timeout=process_timeout())
        self.said = torch.zeros(1)
        self.work: Any = None

    def exchange(self, mine: bool) -> bool:
        answer = False
        if self.work is not None:
            self.work.wait()
            answer = bool(self.said.item())
        self.said.fill_(float(mine))
        self.work = torch.distributed.all_reduce(self.said, torch.distributed.ReduceOp.MAX, self.group, async_op=True)
        return answer

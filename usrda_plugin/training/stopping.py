"""When a training stops before its end: a signal, or the time that it was given."""

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


class StopRequest:
    """Whether this process has been asked to stop, and by what.

    Args:
        time_limit: seconds from now; None: no limit.
    """

    def __init__(self, time_limit: float | None = None) -> None:
        self.deadline = None if time_limit is None else time.monotonic() + time_limit
        self.time_limit = time_limit
        self.may_interrupt = False
        """Whether a signal breaks off what the process does, by raising Stopped."""
        self._signal: signal.Signals | None = None
        self._agreement: _Agreement | None = None

    @property
    def reason(self) -> str | None:
        """What has asked, in words; None if nothing has."""
        if self._signal is not None:
            return self._signal.name
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return f"the time limit of {self.time_limit:g} seconds"
        return None

    def agreed(self) -> str | None:
        """As ``reason``, but alike on all processes: whether one of them had been asked at the call before this one."""
        if not torch.distributed.is_available() or not torch.distributed.is_initialized():
            return self.reason
        if self._agreement is None:
            self._agreement = _Agreement()
        requested = self._agreement.exchange(self.reason is not None)
        return (self.reason or "another process") if requested else None

    @contextmanager
    def listening(self) -> Iterator[None]:
        """While open, remember ``SIGNALS``; a second SIGINT interrupts at once."""
        here = threading.current_thread() is threading.main_thread()  # no other may listen
        # what a shell has its background jobs ignore is ignored still
        listened = [number for number in SIGNALS if here and signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._remember) for number in listened}
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
    """Whether any process has been asked to stop, known to all one exchange later, by a group of its own on the CPU.

    The answer travels while the step is computed, so that nobody waits for the device, nor much for the others.
    """

    def __init__(self) -> None:
        self.group = torch.distributed.new_group(backend="gloo", timeout=process_timeout())
        self.any_asked = torch.zeros(1)
        self.work: Any = None

    def exchange(self, asked: bool) -> bool:
        answer = False
        if self.work is not None:
            self.work.wait()
            answer = bool(self.any_asked.item())
        self.any_asked.fill_(float(asked))
        self.work = torch.distributed.all_reduce(
            self.any_asked, torch.distributed.ReduceOp.MAX, self.group, async_op=True
        )
        return answer

"""What the worker processes of a loader lack when they cannot do their work: memory, shared memory or open files."""

from __future__ import annotations

import shutil
import traceback
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

SHARED = Path("/dev/shm")
WITHOUT = "write num_worker_per_gpu: 0 below datasets: train, to load in the training's own process"
MORE_SHARED = f"give more of it (docker run --shm-size=2g), or {WITHOUT}"
# what torch and Python say, and what is missing then
_NO_SHARED = ("shared memory(shm)", "out of shared memory", "insufficient shared memory", "torch_shm_manager")
_NO_FILES = ("received 0 items of ancdata", "too many open files")
_GONE = ("exited unexpectedly", "is killed by signal")


class Lack(NamedTuple):
    """What was missing, and what to do."""

    found: str
    remedy: str


def free_shared_memory() -> int | None:
    """Bytes that processes can still share; None where that is not known."""
    with suppress(OSError):
        return shutil.disk_usage(SHARED).free
    return None


def what_workers_lack(error: Exception) -> Lack | None:
    """Say for lack of what loader processes have ended; None for any other error."""
    text = str(error).lower()
    if any(sign in text for sign in _NO_SHARED) or _is_of_a_semaphore(error):
        free = free_shared_memory()
        room = "none was found" if free is None else f"it has {free} bytes left"
        return Lack(f"expected shared memory in {SHARED} for the batches of loader processes, {room}", MORE_SHARED)
    if any(sign in text for sign in _NO_FILES):
        return Lack("loader processes have more files open than may be", f"raise the limit (ulimit -n), or {WITHOUT}")
    if "dataloader worker" in text and any(sign in text for sign in _GONE):
        reason = str(error).strip().splitlines()[0].rstrip(". ")
        remedy = f"if memory was short take fewer loader processes, or {WITHOUT}"
        return Lack(f"a loader process has ended by no fault of an image ({reason})", remedy)
    return None


def _is_of_a_semaphore(error: Exception) -> bool:
    """Whether Python could not make what processes wait by, which lies in shared memory too."""
    frames = traceback.extract_tb(error.__traceback__)
    return isinstance(error, OSError) and bool(frames) and Path(frames[-1].filename).name == "synchronize.py"

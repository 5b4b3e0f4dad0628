"""How much memory there is, how much a network takes for each pixel of a tile, and whether an image fits in."""

from __future__ import annotations

import ctypes
import os
import sys
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

UNKNOWN = 2 * 2**30  # where the system does not tell
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


def keep_freed_memory() -> bool:
    """Let glibc keep freed memory for the next tensor; return whether this is a glibc that does.

    By default tensors above 32 MB are mapped anew from the system each time, and clearing their pages takes up to half
    of a network's time on a CPU. This concerns the whole process, so it is for programs to call, not for libraries.
    """
    if not sys.platform.startswith("linux"):
        return False
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        return bool(libc.mallopt(M_MMAP_MAX, 0) and libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1))
    return False


def free_memory(device: torch.device) -> int:
    """Bytes that a tile may take: on a GPU what is free or only cached, else RAM within the limit of a container."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return _free()


class NotEnoughMemoryError(ValueError):
    """Memory does not suffice for ``what``, an image of that height and width, which needs so many bytes."""

    def __init__(self, what: str, size: tuple[int, int], needed: int, found: str = "less") -> None:
        super().__init__(
            f"expected {_gib(needed)} of memory for {what} of {size[1]}x{size[0]} pixels, found {found}; cut the image"
            " into parts and upscale each, or take a machine with more memory"
        )


def check_memory(what: str, size: tuple[int, int], needed: int) -> None:
    """Raise NotEnoughMemoryError where ``needed`` bytes are not free, in RAM and swap, for an image of that size."""
    free = _free("SwapFree")
    if needed > free:
        raise NotEnoughMemoryError(what, size, needed, f"{_gib(free)} free")


def bytes_per_pixel(run: Callable[[Tensor], Tensor], trial: Tensor) -> float:
    """Peak memory of ``run`` for each pixel of the image ``trial`` (B, C, h, w), weights and input not counted."""
    pixels = trial.shape[0] * trial.shape[-1] * trial.shape[-2]
    if trial.device.type == "cuda":
        before = torch.cuda.memory_allocated(trial.device)
        torch.cuda.reset_peak_memory_stats(trial.device)
        run(trial)
        return (torch.cuda.max_memory_allocated(trial.device) - before) / pixels
    # what torch.compile once sees under such a mode it never compiles
    with torch.compiler.set_stance("force_eager"), _LiveBytes() as live:
        run(trial)
    return live.peak / pixels


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of GPU or CPU, did not suffice."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    text = str(error).lower()
    if isinstance(error, cv2.error):
        return error.code == cv2.Error.StsNoMem
    signs = ("out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory", "alloc_failed")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)


class _LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that are alive, and the most there ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else (result,):
            if isinstance(tensor, Tensor):
                self._remember(tensor.untyped_storage())
        return result

    def _remember(self, storage: Any) -> None:
        if storage in self._seen:
            return
        self._seen.add(storage)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, size)

    def _forget(self, size: int) -> None:
        self.now -= size


def _gib(number: int) -> str:
    return f"{number / 2**30:.1f} GiB"


def _free(*beside: str) -> int:
    """Bytes of RAM that this process may have, and what /proc/meminfo has by other names beside."""
    return min(_free_ram(*beside), _free_of_limit(), _free_of_process()) + _kept()


def _free_ram(*beside: str) -> int:
    """Bytes that are available, and those that /proc/meminfo has by other names beside."""
    with suppress(OSError, ValueError, IndexError, KeyError):
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        return sum(int(lines[name].split()[0]) for name in ("MemAvailable", *beside)) * 1024
    with suppress(ValueError, OSError, AttributeError):
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return UNKNOWN


def _free_of_limit(root: Path = Path("/sys/fs/cgroup")) -> int:
    """What a container's limit leaves, by cgroup version 2 or 1; without a limit more than any RAM."""
    for folder, limit, usage, cache in (
        (root, "memory.max", "memory.current", "inactive_file"),
        (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        with suppress(OSError, ValueError):  # "max" is no number
            most, used = (int((folder / name).read_text()) for name in (limit, usage))
            return max(most - max(used - _reclaimable(folder / "memory.stat", cache), 0), 0)
    return sys.maxsize


class _MallInfo(ctypes.Structure):
    """glibc's ``struct mallinfo2``."""

    _fields_ = (("others", ctypes.c_size_t * 8), ("fordblks", ctypes.c_size_t), ("keepcost", ctypes.c_size_t))


def _kept() -> int:
    """Bytes that are freed and that glibc keeps for this process, though the system counts them as used."""
    with suppress(OSError, AttributeError):
        mallinfo = ctypes.CDLL(None).mallinfo2
        mallinfo.restype = _MallInfo
        return int(mallinfo().fordblks)
    return 0


def _free_of_process() -> int:
    """What ``ulimit -v`` leaves this process; without one more than any RAM."""
    with suppress(ImportError, OSError, ValueError, IndexError):
        import resource  # not everywhere

        most, _ = resource.getrlimit(resource.RLIMIT_AS)
        if most != resource.RLIM_INFINITY:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            return max(most - pages * resource.getpagesize(), 0)
    return sys.maxsize


def _reclaimable(stat: Path, name: str) -> int:
    # pages of files that were read count as used, but are given up as soon as memory is wanted
    with suppress(OSError, ValueError, KeyError):
        return int(dict(line.split() for line in stat.read_text().splitlines())[name])
    return 0

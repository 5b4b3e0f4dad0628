"""A network made fast on one device: precision, layout in memory, compilation, self-ensemble, batches in flight."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import NamedTuple, get_args

import torch
from torch import Tensor, nn

from usrda_plugin.choices import Precision
from usrda_plugin.compiling import keep_compiled_code_private

DTYPES = {"fp32": torch.float32, "exact": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

Finish = Callable[[Tensor], Tensor]


class NotFiniteError(ValueError):
    """A network gave infinite values or NaN."""


class PendingBatch(NamedTuple):
    """A batch at work: on a GPU ``parts`` and ``finite`` hold nothing before ``ready`` has come to pass."""

    parts: list[Tensor]
    finite: Tensor
    ready: torch.cuda.Event | None

    def wait(self) -> list[Tensor]:
        """Wait for this batch alone and return its parts, on the CPU. Raises NotFiniteError."""
        if self.ready is not None:
            self.ready.synchronize()
        if not bool(self.finite):
            raise NotFiniteError("expected finite values from the network, found NaN or infinity; its weights are bad")
        return self.parts


class Engine:
    """Runs batches of tiles: float32 on the CPU in, float32 on the device out. It takes the network over.

    Channels-last everywhere but in fp32 on a GPU: on a CPU it is faster, and there alone each value is computed in one
    and the same order whatever the tile's shape. fp32 on a GPU means fp32, not TF32. "exact" is fp32 with layout and
    settings left as BasicSR has them, for its very values.
    """

    def __init__(self, network: nn.Module, device: torch.device, precision: Precision) -> None:
        self.device = device
        self.precision = choose_precision(precision, device)
        self.layout = self._layout()
        self._unrounded = [value.detach().to("cpu", copy=True) for value in _values(network)] if self._half() else []
        self.network = network.eval().to(device=device, dtype=DTYPES[self.precision])
        self.network = self.network.to(memory_format=self.layout)  # type: ignore[call-overload]
        self.run: Callable[[Tensor], Tensor] = self.network

    def compile(self) -> None:
        """Compile the network, repeated blocks one by one so that each kind is compiled once."""
        keep_compiled_code_private()
        blocks = [block for module in self.network.modules() for block in _repeated(module)]
        for module in blocks or [self.network]:
            module.compile()

    def ensemble(self) -> None:
        """From now on answer with the mean over the eight flips and turns of the input."""
        run = self.run
        self.run = lambda x: torch.stack([_unturned(run(_turned(x, t)), t) for t in range(8)]).mean(0)

    def to_fp32(self) -> None:
        """Go on in fp32, where the half precision has overflowed."""
        assert self._half()
        self.precision = "fp32"
        self.layout = self._layout()
        self.network.to(dtype=torch.float32).to(memory_format=self.layout)  # type: ignore[call-overload]
        with torch.no_grad():
            for value, unrounded in zip(_values(self.network), self._unrounded, strict=True):
                value.copy_(unrounded)
        self._unrounded = []

    @torch.inference_mode()
    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, C', scale*h, scale*w); on a GPU it does not wait for the result."""
        if self.device.type == "cuda" and x.device.type == "cpu":
            x = x.pin_memory()  # a copy of other memory waits for all that was launched before
        # converted there: converted here, it would be in other memory again
        x = x.to(device=self.device, non_blocking=True).to(dtype=DTYPES[self.precision])
        with self._exact_convolutions():
            return self.run(x.contiguous(memory_format=self.layout)).float()

    def submit(self, x: Tensor, finish: Sequence[Finish]) -> PendingBatch:
        """Queue on the device all that it has to do for a batch (B, C, h, w); on a GPU nothing here waits for it.

        ``finish``, one for each image: what makes of its result (C', scale*h, scale*w) the part to bring to the CPU.
        """
        result = self(x)
        finite = _to_host(result.isfinite().all())
        parts = [_to_host(make(values)) for make, values in zip(finish, result, strict=True)]
        ready = None
        if result.device.type == "cuda":
            ready = torch.cuda.Event()
            ready.record(torch.cuda.current_stream(result.device))
        return PendingBatch(parts, finite, ready)

    def _layout(self) -> torch.memory_format:
        plain = self._plain_gpu() or self.precision == "exact"
        return torch.contiguous_format if plain else torch.channels_last

    def _half(self) -> bool:
        return self.precision in ("bf16", "fp16")

    def _plain_gpu(self) -> bool:
        return self.device.type == "cuda" and self.precision == "fp32"

    def _exact_convolutions(self) -> AbstractContextManager[object]:
        if not self._plain_gpu():
            return nullcontext()
        cudnn = torch.backends.cudnn
        # what is not named here would be set to defaults of its own, of which one switches cuDNN off
        return cudnn.flags(
            enabled=cudnn.enabled, benchmark=cudnn.benchmark, deterministic=cudnn.deterministic, allow_tf32=False
        )


def choose_device(name: str) -> torch.device:
    """The device of that name; "auto" is a GPU where there is one. Raises ValueError for one that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f"expected the device auto, cpu, cuda or cuda:NUMBER, found {name!r}") from None
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise ValueError(f"expected a GPU for {name}, found {count}; see `usrda doctor`, or say --device cpu")
    if device.type not in ("cpu", "cuda"):
        raise ValueError(f"expected the device auto, cpu, cuda or cuda:NUMBER, found {name!r}")
    return device


def choose_precision(name: Precision, device: torch.device) -> Precision:
    """The precision of that name; "auto" is fp16 on a GPU and fp32 on a CPU. Raises ValueError for an unknown one."""
    if name not in get_args(Precision):
        raise ValueError(f"expected precision {', '.join(get_args(Precision))}, found {name!r}")
    if name != "auto":
        return name
    return "fp16" if device.type == "cuda" else "fp32"


def _to_host(value: Tensor) -> Tensor:
    if value.device.type != "cuda":
        return value
    # into pinned memory, which alone is copied to without waiting
    host = torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
    return host.copy_(value.contiguous(), non_blocking=True)


def _values(network: nn.Module) -> Iterator[Tensor]:
    return chain(network.parameters(), network.buffers())


def _repeated(module: nn.Module) -> list[nn.Module]:
    """The children of a list of equal blocks that have blocks of their own; none for other modules."""
    children = list(module.children())
    if not isinstance(module, nn.Sequential | nn.ModuleList) or len({type(child) for child in children}) != 1:
        return []
    return children if len(children) > 1 and any(True for _ in children[0].children()) else []


def _turned(x: Tensor, turn: int) -> Tensor:
    x = x.flip(-1) if turn & 1 else x
    x = x.flip(-2) if turn & 2 else x
    return x.transpose(-1, -2) if turn & 4 else x


def _unturned(x: Tensor, turn: int) -> Tensor:
    x = x.transpose(-1, -2) if turn & 4 else x
    x = x.flip(-2) if turn & 2 else x
    return x.flip(-1) if turn & 1 else x

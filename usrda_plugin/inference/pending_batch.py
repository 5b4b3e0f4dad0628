"""A batch of tiles on the device: all that it has to do is queued at once, and waited for later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from usrda_plugin.inference.engine import Engine
from usrda_plugin.inference.tiles import Tile

Cut = Callable[[Tile], Tensor]
Paste = Callable[[Tile, Tensor], None]
Convert = Callable[[Tensor], Tensor]


class Canvas(NamedTuple):
    """How tiles are made, and what becomes of results: ``convert`` on the device, then ``paste`` on the CPU."""

    cut: Cut
    convert: Convert
    paste: Paste


class NotFiniteError(ValueError):
    """A network gave infinite values or NaN."""


class Launched(NamedTuple):
    """A batch at work: on a GPU ``parts`` and ``finite`` hold nothing before ``ready`` has come to pass."""

    batch: Sequence[Tile]
    parts: list[Tensor]
    finite: Tensor
    ready: torch.cuda.Event | None

    def paste(self, canvas: Canvas) -> None:
        """Wait for this batch alone and paste it. Raises NotFiniteError."""
        if self.ready is not None:
            self.ready.synchronize()
        if not bool(self.finite):
            raise NotFiniteError("expected finite values from the network, found NaN or infinity; its weights are bad")
        for tile, part in zip(self.batch, self.parts, strict=True):
            canvas.paste(tile, part)


def launch(engine: Engine, batch: Sequence[Tile], scale: int, canvas: Canvas) -> Launched:
    """Queue on the device all that it has to do for a batch; on a GPU nothing here waits for it."""
    result = engine(torch.stack([canvas.cut(tile) for tile in batch]))
    finite = _to_host(result.isfinite().all())
    kept = (_kept(tile, values, scale) for tile, values in zip(batch, result, strict=True))
    parts = [_to_host(canvas.convert(part)) for part in kept]
    ready = None
    if result.device.type == "cuda":
        ready = torch.cuda.Event()
        ready.record(torch.cuda.current_stream(result.device))
    return Launched(batch, parts, finite, ready)


def _kept(tile: Tile, values: Tensor, scale: int) -> Tensor:
    rows, cols = (slice(scale * (span.keep_start - span.start), scale * (span.keep_stop - span.start)) for span in tile)
    return values[:, rows, cols]


def _to_host(value: Tensor) -> Tensor:
    if value.device.type != "cuda":
        return value
    # into pinned memory, which alone is copied to without waiting
    host = torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
    return host.copy_(value.contiguous(), non_blocking=True)

"""Numbers that go wrong: which optimizer's step is skipped, which term began it, and when training had better stop.

Whether a step is sound is decided and counted where its numbers are. On a GPU the host asks for the counts early and
reads them ``LOOK_EVERY`` iterations later, so that nobody waits; in a distributed run all processes read alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from basicsr.utils import get_root_logger
from torch import Tensor

from usrda_plugin.models.divergence import STEPS, Count, TrainingDiverged, farewell, overflow, warning

LOOK_EVERY = 16
MAX_SKIPPED = 100
_MOST_NAMES = 62  # bits of an int64


class Watch:
    """Judges steps and counts those that were skipped.

    Args:
        device: where losses and gradients are.
        train_opt: ``max_skipped_steps``, after so many in a row of one optimizer training stops; for advice the rest.
        states: where training states are saved.
        world_size: processes that train together.
    """

    def __init__(self, device: torch.device, train_opt: Mapping[str, Any], states: Path, world_size: int = 1) -> None:
        self.limit = int(train_opt.get("max_skipped_steps") or MAX_SKIPPED)
        self.train_opt, self.states, self.shared = train_opt, states, world_size > 1
        self.asynchronous = device.type != "cpu"
        self.current_iter = 0
        self.record = torch.zeros(len(STEPS), len(Count._fields), dtype=torch.int64, device=device)
        self.told = [Count() for _ in STEPS]
        self._row = {step: number for number, step in enumerate(STEPS)}
        self._bits = 2 ** torch.arange(_MOST_NAMES, dtype=torch.int64, device=device)
        self._layouts: list[tuple[str, ...]] = []
        self._asked: tuple[Tensor, torch.cuda.Event | None] | None = None

    def judge(
        self, step: str, losses: Mapping[str, Tensor], norms: Mapping[str, Tensor], scale: Tensor | None
    ) -> Tensor:
        """Whether a step must be skipped, by its losses and the norm of each network's gradient; counts it.

        A gradient that overflowed because it was multiplied by ``scale`` is skipped, but no sign of divergence.
        """
        values = torch.stack([value.detach().float() for value in (*losses.values(), *norms.values())])
        wrong = ~values.isfinite()
        skip, of_losses = wrong.any(), wrong[: len(losses)].any()
        if self.shared:  # processes must agree, and exchange gradients alone; that of a wrong loss is wrong
            skip, of_losses = wrong[len(losses) :].any(), torch.zeros_like(skip)
        grave = skip if scale is None else skip & (of_losses | (scale < 1))
        layout = (*losses, *(f"the gradient of {name}" for name in norms))
        self._count(self.record[self._row[step]], skip, grave, (wrong * self._bits[: len(layout)]).sum(), layout)
        return skip

    def _count(self, row: Tensor, skip: Tensor, grave: Tensor, wrong: Tensor, layout: tuple[str, ...]) -> None:
        if layout not in self._layouts:
            self._layouts.append(layout)
        skipped, in_row, *began = row  # views, in the order of Count
        starts = grave & (in_row == 0)
        for known, new in zip(began, (self.current_iter, wrong, self._layouts.index(layout)), strict=True):
            known += (new - known) * starts
        skipped += skip
        in_row += grave
        in_row *= skip

    def look(self, *, at_once: bool = False) -> None:
        """Warn of steps that were skipped since the last look. Raises TrainingDiverged after too many in a row."""
        if at_once or not self.asynchronous:
            self._tell(self.record.tolist())
        elif self.current_iter % LOOK_EVERY == 0:
            if self._asked is not None:
                record, event = self._asked
                if event is not None:
                    event.synchronize()  # long past; the host is never so far ahead
                self._tell(record.tolist())
            self._asked = _ask(self.record)

    def _tell(self, rows: list[list[int]]) -> None:
        seen = [Count(*row) for row in rows]
        if all(count.skipped <= told.skipped for count, told in zip(seen, self.told, strict=True)):
            return
        if self.shared:
            seen = self._seen_by_any(seen)
        for number, (step, count) in enumerate(zip(STEPS, seen, strict=True)):
            if count.skipped > self.told[number].skipped:
                self.told[number] = self._tell_of(step, count, self.told[number])

    def _tell_of(self, step: str, count: Count, told: Count) -> Count:
        """Say what is new of an optimizer's steps, of a long row as it doubles; gives what is told now."""
        names = [name for bit, name in enumerate(self._layouts[count.layout]) if count.wrong >> bit & 1]
        if count.since == told.since and not count.in_row:
            get_root_logger().info(overflow(step, count))
        elif count.since != told.since or count.in_row >= min(2 * told.in_row, self.limit):
            get_root_logger().warning(warning(step, count, names))
        else:
            return count._replace(in_row=told.in_row)
        if count.in_row >= self.limit:
            raise TrainingDiverged(farewell(step, count, names, self.train_opt, self.states))
        return count

    def _seen_by_any(self, seen: list[Count]) -> list[Count]:
        """The gradient is wrong in all processes; the loss where it began."""
        wrong = torch.tensor([count.wrong for count in seen], device=self.record.device)
        torch.distributed.all_reduce(wrong, op=torch.distributed.ReduceOp.MAX)
        return [count._replace(wrong=bits) for count, bits in zip(seen, wrong.tolist(), strict=True)]

    def state(self) -> dict[str, int]:
        """How many steps of each optimizer were skipped, to go on with after resuming."""
        return {step: row[0] for step, row in zip(STEPS, self.record.tolist(), strict=True)}

    def restore(self, state: Mapping[str, int] | None) -> None:
        """Go on counting from a saved state; a row begins anew."""
        self.told = [Count(skipped=int((state or {}).get(step, 0))) for step in STEPS]
        for row, count in zip(self.record, self.told, strict=True):
            row.zero_()[0].fill_(count.skipped)


def _ask(record: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    """A copy on its way to the host, and the event after which it is there."""
    if record.device.type != "cuda":
        return record.clone(), None
    copy = torch.empty_like(record, device="cpu", pin_memory=True)
    copy.copy_(record, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    return copy, event

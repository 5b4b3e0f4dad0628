"""Numbers that go wrong: which optimizer's step is skipped, which term began it, and when training had better stop.

Whether a step is sound is decided and counted where its numbers are. On a GPU the host asks for the counts early and
reads them ``LOOK_EVERY`` iterations later, so that nobody waits; in a distributed run all processes read alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from basicsr.utils import get_root_logger
from torch import Tensor, nn
from torch.optim import Optimizer

from usrda_plugin.models.divergence import (
    Count,
    TrainingDiverged,
    divergence_message,
    overflow_notice,
    remedies,
    skip_warning,
)

LOOK_EVERY = 16
MAX_SKIPPED = 100
_MOST_NAMES = 62  # bits of an int64

Networks = Mapping[str, nn.Module]
"""Bare networks by their names on the disk, such as net_g."""


class NonFiniteGuard:
    """Judges steps and counts those that were skipped.

    Args:
        device: where losses and gradients are.
        opt: a model's options: ``train: max_skipped_steps``, after so many in a row of one optimizer training stops,
            where training states are saved, how many processes there are, and what advice needs.
        steps: each optimizer's step in words, by its letter: ``{"g": "the generator's step"}``.
        networks: gives what is trained, by name.
        can_clip: whether ``train: clip_grad_norm`` is known to the model.
    """

    def __init__(
        self,
        device: torch.device,
        opt: Mapping[str, Any],
        steps: Mapping[str, str],
        networks: Callable[[], Networks],
        *,
        can_clip: bool = False,
    ) -> None:
        self.train_opt, self.states = opt["train"], Path(opt["path"]["training_states"])
        self.limit = int(self.train_opt.get("max_skipped_steps") or MAX_SKIPPED)
        self.shared = opt["world_size"] > 1
        self.steps, self.networks, self.can_clip = dict(steps), networks, can_clip
        self.asynchronous = device.type != "cpu"
        self.current_iter = 0
        self.record = torch.zeros(len(steps), len(Count._fields), dtype=torch.int64, device=device)
        self.reported = [Count() for _ in steps]
        self._row = {step: number for number, step in enumerate(steps)}
        self._bits = 2 ** torch.arange(_MOST_NAMES, dtype=torch.int64, device=device)
        self._layouts: list[tuple[str, ...]] = []
        self._asked: tuple[Tensor, torch.cuda.Event | None] | None = None

    def judge(
        self, step: str, losses: Mapping[str, Tensor], norms: Mapping[str, Tensor], scale: Tensor | None
    ) -> Tensor:
        """Whether a step must be skipped, by its losses and the norm of each network's gradient; counts it.

        A gradient that overflowed because it was multiplied by ``scale`` is skipped, but no sign of divergence.
        """
        wrong = not_finite(losses, norms)
        skip, of_losses = wrong.any(), wrong[: len(losses)].any()
        if self.shared:  # processes must agree, and exchange gradients alone; that of a wrong loss is wrong
            skip, of_losses = wrong[len(losses) :].any(), torch.zeros_like(skip)
        self._count(step, skip, skip if scale is None else skip & (of_losses | (scale < 1)), wrong, [*losses], [*norms])
        return skip

    def count(self, step: str, losses: Mapping[str, Tensor], norms: Mapping[str, Tensor], skip: Tensor) -> None:
        """Count a step that has been judged before its losses were known by name."""
        if not self.asynchronous and not skip and not self.record[self._row[step], Count._fields.index("in_row")]:
            return  # on a CPU, where there is no need to say so to a device
        losses = {name: value.mean() for name, value in losses.items()}
        self._count(step, skip, skip, not_finite(losses, norms), [*losses], [*norms])

    def _count(
        self, step: str, skip: Tensor, grave: Tensor, wrong: Tensor, losses: list[str], networks: list[str]
    ) -> None:
        layout = (*losses, *(f"the gradient of {name}" for name in networks))
        bits = (wrong * self._bits[: len(layout)]).sum()
        if layout not in self._layouts:
            self._layouts.append(layout)
        skipped, in_row, *began = self.record[self._row[step]]  # views, in the order of Count
        starts = grave & (in_row == 0)
        for known, new in zip(began, (self.current_iter, bits, self._layouts.index(layout)), strict=True):
            known += (new - known) * starts
        skipped += skip
        in_row += grave
        in_row *= skip

    def look(self, *, at_once: bool = False) -> None:
        """Warn of steps that were skipped since the last look. Raises TrainingDiverged after too many in a row."""
        if at_once or not self.asynchronous:
            self._report(self.record.tolist())
        elif self.current_iter % LOOK_EVERY == 0:
            if self._asked is not None:
                record, event = self._asked
                if event is not None:
                    event.synchronize()  # long past; the host is never so far ahead
                self._report(record.tolist())
            self._asked = _ask(self.record)

    def _report(self, rows: list[list[int]]) -> None:
        seen = [Count(*row) for row in rows]
        if all(count.skipped <= before.skipped for count, before in zip(seen, self.reported, strict=True)):
            return
        if self.shared:
            seen = self._seen_by_any(seen)
        for number, (step, count) in enumerate(zip(self.steps, seen, strict=True)):
            if count.skipped > self.reported[number].skipped:
                self.reported[number] = self._report_step(step, count, self.reported[number])

    def _report_step(self, step: str, count: Count, before: Count) -> Count:
        """Say what is new of an optimizer's steps, of a long row as it doubles; returns what has been said now."""
        if count.since == before.since and not count.in_row:
            get_root_logger().info(overflow_notice(self.steps[step], count))
        elif count.since != before.since or count.in_row >= min(2 * before.in_row, self.limit):
            get_root_logger().warning(skip_warning(self.steps[step], count, self._names(count)))
        else:
            return count._replace(in_row=before.in_row)
        if count.in_row >= self.limit:
            raise self._diverged(step, count)
        return count

    def _diverged(self, step: str, count: Count) -> TrainingDiverged:
        names = self._names(count)
        wrong = [f"{key} of {name}" for name, net in self.networks().items() for key in wrong_weights(net)]
        advice = remedies(step, names, self.train_opt, can_clip=self.can_clip)
        return TrainingDiverged(divergence_message(self.steps[step], count, names, wrong, self.states, advice))

    def _names(self, count: Count) -> list[str]:
        return [name for bit, name in enumerate(self._layouts[count.layout]) if count.wrong >> bit & 1]

    def end(self) -> None:
        """Raise TrainingDiverged where training would end in a row of skipped steps that is half of it or more.

        So a short training ends as a long one does, which does not come to its end.
        """
        self.look(at_once=True)
        for step, row in zip(self.steps, self.record.tolist(), strict=True):
            count = Count(*row)
            if count.in_row > 1 and 2 * count.in_row >= self.current_iter:
                raise self._diverged(step, count)

    def row_since(self) -> int | None:
        """The iteration since which steps of an optimizer are skipped; None where the last ones were taken."""
        rows = [Count(*row) for row in self.record.tolist()]
        return min((count.since for count in rows if count.in_row), default=None)

    def _seen_by_any(self, seen: list[Count]) -> list[Count]:
        """The gradient is wrong in all processes; the loss where it began."""
        wrong = torch.tensor([count.wrong for count in seen], device=self.record.device)
        torch.distributed.all_reduce(wrong, op=torch.distributed.ReduceOp.MAX)
        return [count._replace(wrong=bits) for count, bits in zip(seen, wrong.tolist(), strict=True)]

    def state(self) -> dict[str, int]:
        """How many steps of each optimizer were skipped, to go on with after resuming."""
        return {step: row[0] for step, row in zip(self.steps, self.record.tolist(), strict=True)}

    def restore(self, state: Mapping[str, int] | None) -> None:
        """Go on counting from a saved state; a row begins anew."""
        self.reported = [Count(skipped=int((state or {}).get(step, 0))) for step in self.steps]
        for row, count in zip(self.record, self.reported, strict=True):
            row.zero_()[0].fill_(count.skipped)


def not_finite(losses: Mapping[str, Tensor], norms: Mapping[str, Tensor]) -> Tensor:
    """Which of some scalars are not finite, as a vector of flags on their device."""
    return ~torch.stack([value.detach().float() for value in (*losses.values(), *norms.values())]).isfinite()


def _ask(record: Tensor) -> tuple[Tensor, torch.cuda.Event | None]:
    """A copy on its way to the host, and the event after which it is there."""
    if record.device.type != "cuda":
        return record.clone(), None
    copy = torch.empty_like(record, device="cpu", pin_memory=True)
    copy.copy_(record, non_blocking=True)
    event = torch.cuda.Event()
    event.record()
    return copy, event


@torch.no_grad()
def wrong_weights(network: nn.Module) -> list[str]:
    """The names of a network's parameters that are not finite, and of its buffers with nan; one look at the device.

    A buffer may well hold an infinity, such as a mask.
    """
    parameters = {name: value for name, value in network.named_parameters() if value.numel()}
    buffers = {name: value for name, value in network.named_buffers() if value.numel() and value.is_floating_point()}
    largest = torch._foreach_norm([*parameters.values(), *buffers.values()], float("inf"))
    if not largest:
        return []
    values = torch.stack([value.float() for value in largest])
    wrong = torch.cat([~values[: len(parameters)].isfinite(), values[len(parameters) :].isnan()]).tolist()
    return [name for name, is_wrong in zip((*parameters, *buffers), wrong, strict=True) if is_wrong]


@torch.no_grad()
def has_finite_moments(optimizer: Optimizer) -> bool:
    """Whether all that an optimizer remembers of its parameters is finite."""
    by_device: dict[torch.device, list[Tensor]] = {}
    for value in (value for state in optimizer.state.values() for value in state.values()):
        if isinstance(value, Tensor) and value.numel() and value.is_floating_point():
            by_device.setdefault(value.device, []).append(value)
    largest = (torch._foreach_norm(values, float("inf")) for values in by_device.values())
    return all(bool(torch.stack([value.float() for value in norms]).isfinite().all()) for norms in largest)

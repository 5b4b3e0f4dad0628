"""From a loss to an optimizer's step: micro-batches, half precision, clipping, what must not be stepped with.

``TrainingHarness`` is what Algorithm 1 is given of all that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from usrda_plugin.method import Batch, Log, Pass, Player, StepLoss
from usrda_plugin.method.algorithm import LossOf
from usrda_plugin.models.non_finite import NonFiniteGuard

Skipped = Tensor | bool
"""Whether a step was skipped, as a tensor where only the device knows."""


class OptimizerStepper:
    """The one place that scales, clips, and steps or skips.

    Args:
        device: where the networks are.
        amp: the type of autocast; None: float32 throughout. Only float16 needs its gradients scaled.
        train_opt: ``clip_grad_norm`` (largest L2 norm of an optimizer's gradient) and ``log_grad_norm``.
        guard: says which steps must be skipped.
    """

    def __init__(
        self, device: torch.device, amp: torch.dtype | None, train_opt: Mapping[str, Any], guard: NonFiniteGuard
    ) -> None:
        self.device = device
        self.amp = amp
        self.clip_grad_norm = train_opt.get("clip_grad_norm")
        self.log_grad_norm = bool(train_opt.get("log_grad_norm"))
        self.scaler = torch.amp.GradScaler(device.type, enabled=amp is torch.float16)
        self.guard = guard
        self.skipped: dict[str, Skipped] = {}
        self._buffers: Remembered = []

    def autocast(self) -> torch.autocast:
        """Half precision, where it is asked for, for what is computed inside."""
        return torch.autocast(self.device.type, dtype=self.amp, enabled=self.amp is not None)

    def begin_iteration(self, current_iter: int, networks: Iterable[nn.Module]) -> None:
        """Remember the buffers that passes move, such as those of a spectral norm."""
        self.guard.current_iter = current_iter
        self.skipped = {}
        self._buffers = remembered(buffer for network in networks for buffer in network.buffers())

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a loss to the parameters, scaled where half precision would lose small values.

        A loss that is not finite gets no gradient that is: processes, which exchange gradients alone, see it all.
        """
        self.scaler.scale(loss).backward(gradient=loss.detach() * 0 + 1)

    def step(self, name: str, optimizer: Optimizer, trained: Mapping[str, nn.Module], losses: Log) -> Log:
        """Clip and step, or skip; returns the norm of each trained network's gradient before clipping, if logged."""
        self.scaler.unscale_(optimizer)
        norms, total = gradient_norms(trained)
        scale = self.scaler.scale(torch.ones_like(total)) if self.scaler.is_enabled() else None
        skip = self.guard.judge(name, losses, norms, scale)
        if self.clip_grad_norm:
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            torch.nn.utils.clip_grads_with_norm_(parameters, self.clip_grad_norm, total)
        self.skipped[name] = take_step(optimizer, skip, wait=not self.guard.asynchronous)
        return {f"grad_norm_{network}": norm for network, norm in norms.items()} if self.log_grad_norm else {}

    @torch.no_grad()
    def end_iteration(self) -> None:
        """Give back the buffers of a skipped step; adapt the scale to the gradients, where there were any."""
        if self.skipped and self.scaler.is_enabled():
            self.scaler.update()
        give_back(self._buffers, self.skipped.values())
        self._buffers = []


class Trained(NamedTuple):
    """What takes a step: its optimizer, the networks that exchange gradients, and the parts whose norms are known."""

    optimizer: Optimizer
    networks: Sequence[nn.Module]
    parts: Mapping[str, nn.Module]


class GradientAccumulation:
    """What both steps of an iteration look at: (batch, its pass), one or, where gradients are accumulated, several.

    A single pass is computed once and shared by both steps. Of several, each step computes its own, the critics'
    without gradient: the generator must meet the critics after their step, and keeping the passes till then would need
    the memory that accumulation is to save.
    Raises ValueError where the batch cannot be cut into ``count`` equal parts.
    """

    def __init__(self, forward: Callable[[Batch], Pass], batch: Batch, count: int = 1) -> None:
        self.forward = forward
        self.micro_batches = [batch] if count == 1 else split(batch, count)
        self.shared = forward(batch) if count == 1 else None

    def __len__(self) -> int:
        return len(self.micro_batches)

    def passes(self, networks: Sequence[nn.Module], *, with_gradient: bool) -> Iterator[tuple[Batch, Pass]]:
        """The passes for one step, by which the gradients of ``networks`` are made."""
        for batch in self.micro_batches:
            with nullcontext() if with_gradient else torch.no_grad():
                tensors = self.shared or self.forward(batch)
            with exchange_later(networks, batch is self.micro_batches[-1]):
                yield batch, tensors


class TrainingHarness:
    """What a training adds to Algorithm 1 (see ``method/algorithm.py``).

    Args:
        stepper: scales, clips, and steps or skips.
        trained: the generator ("g") and, where there are critics, these ("d").
        micro_batches: parts in which a batch is computed.
    """

    def __init__(self, stepper: OptimizerStepper, trained: Mapping[Player, Trained], micro_batches: int) -> None:
        self.stepper, self.trained, self.micro_batches = stepper, trained, micro_batches

    def forward(self, forward: Callable[[Batch], Pass], batch: Batch) -> GradientAccumulation:
        """The forward passes of an iteration, in the precision of the training."""

        def in_precision(part: Batch) -> Pass:
            with self.stepper.autocast():
                return forward(part)

        return GradientAccumulation(in_precision, batch, self.micro_batches)

    def descend(self, player: Player, passes: GradientAccumulation, loss_of: LossOf | None) -> Log:
        """Descend a loss by one step, unless it is not finite; returns what is logged."""
        if player not in self.trained:
            return {}
        optimizer, networks, parts = self.trained[player]
        optimizer.zero_grad()
        if loss_of is None:
            optimizer.step()  # nothing has a gradient; schedulers want to have seen a step
            return {}
        found: list[StepLoss] = []
        for batch, tensors in passes.passes(networks, with_gradient=player == "g"):
            with self.stepper.autocast():
                found.append(loss_of(batch, tensors))
            self.stepper.backward(found[-1].total / len(passes))
        log = mean_of([each.log for each in found])
        losses = {name: log[name] for name in found[0].losses}
        return log | self.stepper.step(player, optimizer, parts, losses)


def split(batch: Batch, count: int) -> list[Batch]:
    """Cut a batch into equal parts. Raises ValueError where that cannot be."""
    size, rest = divmod(len(batch.x_s), count)
    if rest or not size:
        raise ValueError(
            f"train: gradient_accumulation_steps: expected a divisor of the batch size {len(batch.x_s)}, found {count}"
        )
    parts: list[Any] = [[None] * count if images is None else images.split(size) for images in batch]
    return [Batch(*images) for images in zip(*parts, strict=True)]


def exchange_later(networks: Iterable[nn.Module], last: bool) -> ExitStack:
    """Until the last micro-batch, DistributedDataParallel adds gradients up where they are and exchanges none."""
    stack = ExitStack()
    for network in networks:
        if isinstance(network, DistributedDataParallel) and not last:
            stack.enter_context(network.no_sync())
    return stack


Remembered = list[tuple[Tensor, Tensor]]
"""Tensors, each with a copy of what it was."""


def remembered(tensors: Iterable[Tensor]) -> Remembered:
    """Tensors with copies of what they are now."""
    return [(tensor, tensor.clone()) for tensor in tensors]


@torch.no_grad()
def give_back(tensors: Remembered, answers: Iterable[Skipped]) -> None:
    """Make tensors what they were, if one of some steps was skipped."""
    skipped: Skipped = False
    for answer in answers:
        skipped = answer if skipped is False else answer | skipped
    for tensor, before in tensors if skipped is not False else ():
        tensor.copy_(torch.where(skipped, before, tensor) if isinstance(skipped, Tensor) else before)


def take_step(optimizer: Optimizer, skip: Tensor, *, wait: bool) -> Skipped:
    """Step, unless ``skip`` says not to: then parameters, moments and the count of steps stay as they are."""
    skipped = before_step(optimizer, skip, wait=wait)
    optimizer.step()
    after_step(optimizer)
    return skipped


def before_step(optimizer: Optimizer, skip: Tensor, *, wait: bool) -> Skipped:
    """Let an optimizer's next step change nothing if ``skip`` says so; schedulers want to see it all the same.

    A fused optimizer looks at ``skip`` on the device; for another the host must, which on a GPU waits for the device.
    """
    if not wait and getattr(optimizer, "_step_supports_amp_scaling", False):
        fused: Any = optimizer
        fused.grad_scale, fused.found_inf = None, skip.float()
        return skip
    skipped = bool(skip)
    if skipped:
        optimizer.zero_grad()  # what has no gradient is not moved
    return skipped


def after_step(optimizer: Optimizer) -> None:
    """Take back what ``before_step`` has said to a fused optimizer."""
    for name in ("grad_scale", "found_inf"):
        vars(optimizer).pop(name, None)


@torch.no_grad()
def ema_update_(averaged: list[Tensor], followed: list[Tensor], weight: float, skipped: Skipped) -> None:
    """Move an average towards what it follows, averaged + weight (followed - averaged), unless a step was skipped."""
    if isinstance(skipped, Tensor):
        moves = torch._foreach_sub(followed, averaged)
        torch._foreach_mul_(moves, weight * ~skipped)
        torch._foreach_add_(averaged, moves)
    elif not skipped:
        torch._foreach_lerp_(averaged, followed, weight)


def gradients(parameters: Iterable[Tensor]) -> list[Tensor]:
    """The gradients that some parameters have."""
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


@torch.no_grad()
def gradient_norms(trained: Mapping[str, nn.Module]) -> tuple[Log, Tensor]:
    """The L2 norm of each network's gradient, where it has one, and of all; remembered, not waited for."""
    return norms_of({name: gradients(network.parameters()) for name, network in trained.items()})


@torch.no_grad()
def norms_of(found: Mapping[str, list[Tensor]]) -> tuple[Log, Tensor]:
    """As ``gradient_norms``, of gradients that have been collected by network; there must be one."""
    sizes = {name: len(tensors) for name, tensors in found.items() if tensors}
    parts = torch.stack(torch._foreach_norm([tensor for tensors in found.values() for tensor in tensors]))
    total = torch.linalg.vector_norm(parts)
    if len(sizes) == 1:
        return dict.fromkeys(sizes, total), total
    return dict(zip(sizes, map(torch.linalg.vector_norm, parts.split([*sizes.values()])), strict=True)), total


@torch.no_grad()
def fit_state(optimizer: Optimizer, fused: list[Any]) -> None:
    """Bring a loaded state to the layout and the kernel that this run has, whatever the run had that saved it.

    ``fused`` is what each group of parameters was made with. A fused kernel reads memory as it lies, so moments must
    have their parameter's strides, and counts its steps on the device; other kernels count them on the CPU.
    """
    for group, is_fused in zip(optimizer.param_groups, fused, strict=True):
        if "fused" in group:
            group["fused"] = is_fused
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            for name, value in state.items():
                if name == "step" and isinstance(value, Tensor):
                    state[name] = value.to(parameter.device if is_fused else "cpu")
                elif isinstance(value, Tensor) and value.shape == parameter.shape:
                    state[name] = torch.empty_like(parameter).copy_(value)


def mean_of(logs: list[Log]) -> Log:
    """The scalars of a step: those of its micro-batches, averaged."""
    if len(logs) == 1:
        return logs[0]
    return {name: torch.stack([log[name].detach() for log in logs]).mean() for name in (logs[0] if logs else ())}

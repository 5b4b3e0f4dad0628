"""Algorithm 1: one iteration of USR-DA.

    1. the forward pass, whose tensors both steps look at            seven network calls
    2. the critics descend l_d = sum of l_d_f, l_d_t, l_d_y          E, G_SR and G_t at rest
    3. E, G_SR and G_t descend l_g = weighted sum of the six terms   the critics frozen

What a trainer adds (half precision, clipping, a guard against numbers that are not finite, micro-batches, the exchange
of gradients between processes) comes in through one argument, the ``Harness``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn

from usrda_plugin.method.context import Critics
from usrda_plugin.method.forward import Batch, Needs, Pass
from usrda_plugin.method.objective import Objective

Log = dict[str, Tensor]
Player = Literal["d", "g"]
"""Who takes a step: the critics or the generator (E, G_SR and G_t)."""


class StepLoss(NamedTuple):
    """What a player descends: the total, the losses in it by name, and all that is logged, these among it."""

    total: Tensor
    losses: Log
    log: Log


Passes = TypeVar("Passes")
Forward = Callable[[Batch, Needs], Pass]
LossOf = Callable[[Batch, Pass], StepLoss]


class Harness(Protocol[Passes]):
    """What a trainer adds to the algorithm."""

    def forward(self, forward: Callable[[Batch], Pass], batch: Batch) -> Passes:
        """Prepare the forward passes of an iteration: one, or one for each micro-batch."""

    def descend(self, player: Player, passes: Passes, loss_of: LossOf | None) -> Log:
        """Descend a loss by one step, averaged over the passes; None: the player rests. Returns what is logged."""


def training_step(
    forward: Forward, critics: Critics, objective: Objective, batch: Batch, harness: Harness[Passes]
) -> Log:
    """Take one step of the critics and one of the generator; returns the raw losses and the critics' mean answers.

    ``forward`` makes the pass of a batch by E, G_SR and G_t (``method/forward.py``). A player that the objective has no
    terms for rests.
    """

    def forward_pass(part: Batch) -> Pass:
        # where the generator rests nobody asks for its gradient
        with torch.set_grad_enabled(torch.is_grad_enabled() and bool(objective.terms)):
            return forward(part, objective.needs)

    def critics_loss(part: Batch, tensors: Pass) -> StepLoss:
        found = objective.critic_losses(tensors, part, critics)
        log: Log = {}
        for name, (loss, real, fake) in found.items():
            log |= {f"l_d_{name}": loss, f"out_d_{name}_real": real, f"out_d_{name}_fake": fake}
        losses = {f"l_d_{name}": each.loss for name, each in found.items()}
        return StepLoss(torch.stack([*losses.values()]).sum(), losses, log)

    def generator_loss(part: Batch, tensors: Pass) -> StepLoss:
        losses = objective.generator_losses(objective.context(tensors, part, critics))
        total = objective.total(losses)
        losses["l_g_total"] = total
        return StepLoss(total, losses, losses)

    passes = harness.forward(forward_pass, batch)
    critics_log = harness.descend("d", passes, critics_loss if objective.critics else None)
    with frozen(critics):
        generator_log = harness.descend("g", passes, generator_loss if objective.terms else None)
    return generator_log | critics_log


@contextmanager
def frozen(critics: Iterable[object]) -> Iterator[None]:
    """While open, the critics' parameters get no gradient; gradients still pass through to the input."""
    networks = [critic for critic in critics if isinstance(critic, nn.Module)]
    parameters = [parameter for network in networks for parameter in network.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)

"""A trial of one training step before the first: what does not fit together is told by name, not met in iteration 1."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from usrda_plugin.method import CRITIC_TERMS, TERMS, Batch, Critics, LossContext, Objective
from usrda_plugin.method.modes import at_rest
from usrda_plugin.models.criteria import CRITIC_BLOCKS


@torch.no_grad()
def preflight(objective: Objective, network: nn.Module, critics: dict[str, nn.Module], batch: Batch) -> None:
    """Compute every tensor, critic and term of an objective once, changing nothing.

    Raises ValueError that names the block of options whose network or criterion failed.
    """
    networks = [network, *critics.values()]
    with torch.random.fork_rng(), at_rest(networks):
        with _blamed_on("network_g", batch):
            tensors = network(batch.x_s, batch.x_t, objective.needs, x_tp=batch.x_tp)
        ctx = LossContext(tensors, batch, Critics(**critics), objective.criteria)
        for name in objective.critics:
            with _blamed_on(f"network_d_{name} with train: {CRITIC_BLOCKS[name]}", batch):
                _one_number(CRITIC_TERMS[name].loss(ctx).loss)
        with _blamed_on("train: perceptual_opt", batch):
            ctx = objective.context(tensors, batch, ctx.critics)
        for name in objective.terms:
            with _blamed_on(f"train: {_blocks_of(name)}", batch):
                value = TERMS[name].loss(ctx)
                for part in (value,) if isinstance(value, Tensor) else value:
                    if part is not None:
                        _one_number(part)


def trial_batch(opt: dict[str, Any], device: torch.device) -> Batch | None:
    """One random sample of the size that the options' training data have; None where they do not say."""
    data = (opt.get("datasets") or {}).get("train") or {}
    if "gt_size" not in data or "scale" not in opt:
        return None
    hr, lr = data["gt_size"], data["gt_size"] // opt["scale"]
    generator = torch.Generator().manual_seed(0)
    x_s, y_s, x_t = (torch.rand(1, 3, size, size, generator=generator).to(device) for size in (lr, hr, lr))
    # a perturbed x_t and its pseudo label have the shapes of x_t and y_s
    return Batch(x_s, y_s, x_t, x_t, y_s) if data.get("dataroot_target") else Batch(x_s, y_s)


def _blocks_of(term: str) -> str:
    return f"{term}_opt" if term not in ("rec", "cyc") else f"pixel_opt, perceptual_opt or gan_opt, in {term}"


def _one_number(value: Any) -> None:
    if not isinstance(value, Tensor) or value.ndim:
        found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"expected a loss of one number, found {found}; leave reduction at 'mean'")


@contextmanager
def _blamed_on(block: str, batch: Batch) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, TypeError, AttributeError, IndexError, ValueError, AssertionError) as fault:
        sizes = f"LR {batch.x_s.shape[-1]}, HR {batch.y_s.shape[-1]} pixels a side"
        raise ValueError(f"{block}: does not work on training patches ({sizes}): {fault}") from fault

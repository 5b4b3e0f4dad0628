"""From a loss to an optimizer's step: half precision and its scaling, clipping, the norms for the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

Log = dict[str, Tensor]


class Updates:
    """The one place that scales, clips and steps.

    Args:
        device: where the networks are.
        amp: the type of autocast; None: float32 throughout. Only float16 needs its gradients scaled.
        train_opt: ``clip_grad_norm`` (largest L2 norm of an optimizer's gradient) and ``log_grad_norm``.
    """

    def __init__(self, device: torch.device, amp: torch.dtype | None, train_opt: Mapping[str, Any]) -> None:
        self.device = device
        self.amp = amp
        self.clip_grad_norm = train_opt.get("clip_grad_norm")
        self.log_grad_norm = bool(train_opt.get("log_grad_norm"))
        self.scaler = torch.amp.GradScaler(device.type, enabled=amp is torch.float16)
        self.stepped = False

    def autocast(self) -> torch.autocast:
        """Half precision, where it is asked for, for what is computed inside."""
        return torch.autocast(self.device.type, dtype=self.amp, enabled=self.amp is not None)

    def backward(self, loss: Tensor) -> None:
        """Add the gradient of a loss to the parameters, scaled where half precision would lose small values."""
        self.scaler.scale(loss).backward()

    def step(self, optimizer: Optimizer, trained: Mapping[str, nn.Module]) -> Log:
        """Clip and step; returns the norm of each trained network's gradient before clipping, where it is logged."""
        if not trained:
            optimizer.step()  # nothing has a gradient; schedulers want to have seen a step
            return {}
        self.scaler.unscale_(optimizer)
        norms = {f"grad_norm_{name}": gradient_norm(network) for name, network in self._logged(trained)}
        if self.clip_grad_norm:
            parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, self.clip_grad_norm)
        self.scaler.step(optimizer)
        self.stepped = True
        return norms

    def end_iteration(self) -> None:
        """Adapt the scale to what this iteration's gradients were; in an iteration without a step to nothing."""
        if self.stepped:
            self.scaler.update()
        self.stepped = False

    def _logged(self, trained: Mapping[str, nn.Module]) -> list[tuple[str, nn.Module]]:
        return [(name, network) for name, network in trained.items() if self.log_grad_norm and list(gradients(network))]


def gradients(network: nn.Module) -> Iterator[Tensor]:
    """The gradients that a network's parameters have."""
    return (parameter.grad for parameter in network.parameters() if parameter.grad is not None)


def gradient_norm(network: nn.Module) -> Tensor:
    """The L2 norm of a network's gradient; remembered, not waited for."""
    return torch.nn.utils.get_total_norm(list(gradients(network)))


@contextmanager
def frozen(networks: Iterable[nn.Module]) -> Iterator[None]:
    """While open, the networks' parameters get no gradient; gradients still pass through to the input."""
    parameters = [parameter for network in networks for parameter in network.parameters()]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


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

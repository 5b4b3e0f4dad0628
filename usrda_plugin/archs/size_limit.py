"""A network that a file describes must not be much larger than the weights in the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

# G_t, which a file for upscaling may leave out, is smaller than this
FREE_PARAMETERS, FREE_NUMBERS = 2_000, 10_000_000
TIMES = 2


@contextmanager
def limited(weights: Mapping[str, Tensor]) -> Iterator[None]:
    """While open, building a network raises ValueError as soon as it has far more parameters than these weights are."""
    most = FREE_PARAMETERS + TIMES * len(weights)
    most_numbers = FREE_NUMBERS + TIMES * sum(value.numel() for value in weights.values())
    count = numbers = 0

    def look(_module: nn.Module, _name: str, parameter: nn.Parameter | None) -> None:
        nonlocal count, numbers
        count += 1
        numbers += 0 if parameter is None else parameter.numel()
        if count > most or numbers > most_numbers:
            raise ValueError(f"it would be far larger than its {len(weights)} tensors; is the file damaged?")

    handle = register_module_parameter_registration_hook(look)
    try:
        yield
    finally:
        handle.remove()

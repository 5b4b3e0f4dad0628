"""Pictures of a training batch for TensorBoard: what each network makes of it, side by side."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usrda_plugin.method import Batch, Needs
from usrda_plugin.method.modes import at_rest

# one strip for each domain, in reading order
GRIDS = {
    "target: x_t, x_tt, y_tt": ("x_t", "x_tt", "y_tt"),
    "source: x_s, x_st, y_sts, y_s": ("x_s", "x_st", "y_sts", "y_s"),
}
SHOWN = 4


@torch.no_grad()
def image_grids(network: nn.Module, batch: Batch, shown: int = SHOWN) -> dict[str, Tensor]:
    """A picture (3, H, W), RGB in [0, 1], for each domain of the batch: a row a sample, LR images in blocks."""
    x_s, y_s = batch.x_s[:shown], batch.y_s[:shown]
    x_t = None if batch.x_t is None else batch.x_t[:shown]
    names = {name: tensors for name, tensors in GRIDS.items() if x_t is not None or "x_t" not in tensors}
    needs = Needs.of(*(tensor for tensors in names.values() for tensor in tensors if tensor != "y_s"))
    with at_rest([network]):
        made = {**network(x_s, x_t, needs)._asdict(), "y_s": y_s}
    return {name: _grid([made[tensor] for tensor in tensors], y_s.shape[-2:]) for name, tensors in names.items()}


def _grid(images: list[Tensor], size: torch.Size) -> Tensor:
    enlarged = [F.interpolate(image, size=tuple(size), mode="nearest") for image in images]
    rows = torch.cat(enlarged, dim=3)
    return torch.cat(list(rows), dim=1).clamp(0, 1).cpu()

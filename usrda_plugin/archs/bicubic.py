"""Bicubic enlargement as a network: the baseline of every table."""

from __future__ import annotations

from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn
from torch.nn import functional as F


@ARCH_REGISTRY.register()
class USRDABicubic(nn.Module):
    """MATLAB-style bicubic enlargement (Keys' kernel, a = -0.5), without parameters.

    (B, C, h, w) to (B, C, scale*h, scale*w).
    """

    def __init__(self, scale: int = 4) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        # with antialias torch takes a = -0.5, as MATLAB does; without, -0.75; enlarging needs no antialiasing
        return F.interpolate(x, scale_factor=self.scale, mode="bicubic", antialias=True)

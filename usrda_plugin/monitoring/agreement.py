"""How faithful the SR images of target photographs stay to them."""

from __future__ import annotations

from torch import Tensor

from usrda_plugin.method import bicubic_downsample, local_mean


def lr_consistency(y_tt: Tensor, x_t: Tensor) -> Tensor:
    """Mean |low band of down(y_tt) - low band of x_t| in 8-bit levels; one number.

    The low band is the 7x7 mean, in which the camera's blur and noise no longer show.
    """
    return (local_mean(bicubic_downsample(y_tt, x_t)) - local_mean(x_t)).abs().mean() * 255


def colour_drift(y_tt: Tensor, x_t: Tensor) -> Tensor:
    """How far the mean of each colour has moved, |mean(down(y_tt)) - mean(x_t)| in 8-bit levels; one number.

    Averaged over photographs and colours, so that drifts of opposite sign do not cancel.
    """
    moved = bicubic_downsample(y_tt, x_t).mean(dim=(-2, -1)) - x_t.mean(dim=(-2, -1))
    return moved.abs().mean() * 255

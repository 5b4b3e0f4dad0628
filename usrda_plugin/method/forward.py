"""The forward pass: seven network calls, each tensor computed once.

    f_s = E(x_s)        f_t = E(x_t)
    y_ss = G_SR(f_s)    x_tt = G_t(f_t)    x_st = G_t(f_s)
    f_st = E(x_st)      y_sts = G_SR(f_st)

The letters after ``_`` are a route: whose content, then each domain it was rendered into.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

Network = Callable[[Tensor], Tensor]
T = TypeVar("T")


class Batch(NamedTuple):
    """What a training step is fed with: RGB in [0, 1].

    ``x_s`` (B, 3, h, w) source LR, ``y_s`` (B, 3, scale*h, scale*w) its HR, ``x_t`` (B, 3, h, w) target LR, unpaired.
    For the extension tea there are also ``x_tp``, x_t perturbed, and ``y_t``, the teacher's HR image of x_t.
    """

    x_s: Tensor
    y_s: Tensor
    x_t: Tensor | None = None
    x_tp: Tensor | None = None
    y_t: Tensor | None = None


class Pass(NamedTuple):
    """Every tensor of one forward pass; None where no active term reads it.

    ``f_*`` are features (B, C, h, w), ``x_*`` LR images (B, 3, h, w), ``y_*`` HR images (B, 3, scale*h, scale*w).
    ``y_tt`` = G_SR(f_t), the path used at test time, and ``y_tpt``, the same for a perturbed x_t, are not part of the
    paper's pass; terms of the extensions read them.
    """

    x_s: Tensor | None = None
    x_t: Tensor | None = None
    f_s: Tensor | None = None
    f_t: Tensor | None = None
    y_ss: Tensor | None = None
    x_tt: Tensor | None = None
    x_st: Tensor | None = None
    f_st: Tensor | None = None
    y_sts: Tensor | None = None
    y_tt: Tensor | None = None
    x_tp: Tensor | None = None
    f_tp: Tensor | None = None
    y_tpt: Tensor | None = None


class Networks(NamedTuple):
    """E, G_SR and G_t, and G_t with its noise input drawn, which is G_t itself where it has none.

    The target's features carry their own noise; the source's have none that G_t could render.
    """

    encoder: Network
    sr_decoder: Network
    lr_decoder: Network
    noisy_lr_decoder: Network


MADE_FROM = {
    "f_s": "x_s",
    "f_t": "x_t",
    "y_ss": "f_s",
    "x_tt": "f_t",
    "x_st": "f_s",
    "f_st": "x_st",
    "y_sts": "f_st",
    "y_tt": "f_t",
    "f_tp": "x_tp",
    "y_tpt": "f_tp",
}


class Needs(NamedTuple):
    """Which tensors a pass must compute: those that the active terms read, and all that these are made from."""

    x_s: bool = False
    x_t: bool = False
    x_tp: bool = False
    f_s: bool = False
    f_t: bool = False
    y_ss: bool = False
    x_tt: bool = False
    x_st: bool = False
    f_st: bool = False
    y_sts: bool = False
    y_tt: bool = False
    f_tp: bool = False
    y_tpt: bool = False

    @classmethod
    def of(cls, *tensors: str) -> Needs:
        """The needs of tensors of ``Pass``, given by name, back to the images."""
        found = set(tensors)
        for tensor in reversed(MADE_FROM):
            if tensor in found:
                found.add(MADE_FROM[tensor])
        return cls(**dict.fromkeys(found, True))

    @property
    def sr_decoder(self) -> bool:
        """Whether G_SR is called."""
        return self.y_ss or self.y_sts or self.y_tt or self.y_tpt

    @property
    def lr_decoder(self) -> bool:
        """Whether G_t is called."""
        return self.x_tt or self.x_st


PAPER = Needs.of("y_ss", "x_tt", "y_sts")


def forward_pass(
    net: Networks, x_s: Tensor, x_t: Tensor | None, needs: Needs = PAPER, x_tp: Tensor | None = None
) -> Pass:
    """Compute the tensors that are needed, each exactly once; the default are the paper's seven.

    ``x_s``, ``x_t`` and ``x_tp``: (B, 3, h, w), RGB in [0, 1]. Raises ValueError where ``x_t`` or ``x_tp`` is needed
    and there is none.
    """
    _check_target(x_t, x_tp, needs)
    f_s = _call(net.encoder, x_s, needs.f_s)
    f_t = _call(net.encoder, x_t, needs.f_t)
    y_ss = _call(net.sr_decoder, f_s, needs.y_ss)
    x_tt = _call(net.lr_decoder, f_t, needs.x_tt)
    x_st = _call(net.noisy_lr_decoder, f_s, needs.x_st)
    f_st = _call(net.encoder, x_st, needs.f_st)
    y_sts = _call(net.sr_decoder, f_st, needs.y_sts)
    # beyond the paper
    y_tt = _call(net.sr_decoder, f_t, needs.y_tt)
    f_tp = _call(net.encoder, x_tp, needs.f_tp)
    y_tpt = _call(net.sr_decoder, f_tp, needs.y_tpt)
    return Pass(x_s, x_t, f_s, f_t, y_ss, x_tt, x_st, f_st, y_sts, y_tt, x_tp, f_tp, y_tpt)


def batched_forward_pass(
    net: Networks, x_s: Tensor, x_t: Tensor | None, needs: Needs = PAPER, x_tp: Tensor | None = None
) -> Pass:
    """Compute the tensors of ``forward_pass``, to rounding, by four calls instead of seven: it keeps a GPU busier.

    (f_s, f_t), (x_tt, x_st) and (y_ss, y_sts) go through their network as one batch each; the second pair only where
    G_t has no noise input.
    """
    _check_target(x_t, x_tp, needs)
    f_s, f_t, f_tp = _call_once(net.encoder, (x_s, needs.f_s), (x_t, needs.f_t), (x_tp, needs.f_tp))
    if net.lr_decoder == net.noisy_lr_decoder:
        x_tt, x_st = _call_once(net.lr_decoder, (f_t, needs.x_tt), (f_s, needs.x_st))
    else:
        x_tt, x_st = _call(net.lr_decoder, f_t, needs.x_tt), _call(net.noisy_lr_decoder, f_s, needs.x_st)
    f_st = _call(net.encoder, x_st, needs.f_st)
    y_ss, y_sts, y_tt, y_tpt = _call_once(
        net.sr_decoder, (f_s, needs.y_ss), (f_st, needs.y_sts), (f_t, needs.y_tt), (f_tp, needs.y_tpt)
    )
    return Pass(x_s, x_t, f_s, f_t, y_ss, x_tt, x_st, f_st, y_sts, y_tt, x_tp, f_tp, y_tpt)


def _check_target(x_t: Tensor | None, x_tp: Tensor | None, needs: Needs) -> None:
    for name, image, is_needed in (("x_t", x_t, needs.x_t), ("x_tp", x_tp, needs.x_tp)):
        if is_needed and image is None:
            raise ValueError(f"expected a target batch {name}, found none; give the data set a target domain")


def _call(network: Network, image: Tensor | None, is_needed: bool) -> Tensor | None:
    return network(image) if is_needed and image is not None else None


def _call_once(network: Network, *images: tuple[Tensor | None, bool]) -> list[Tensor | None]:
    """What a network makes of those of some images that are needed, all in one batch."""
    given = [image if is_needed else None for image, is_needed in images]
    batch = [image for image in given if image is not None]
    outputs = iter(torch.split(network(torch.cat(batch)), [len(image) for image in batch]) if batch else ())
    return [None if image is None else next(outputs) for image in given]


def needed(value: T | None) -> T:
    """Return what an active term cannot do without. Raises ValueError where it is missing."""
    if value is None:
        raise ValueError("a term reads a tensor, a critic or a criterion that nobody has made")
    return value

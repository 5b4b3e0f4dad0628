"""One training pass: seven network calls, each tensor computed once.

    f_s = E(x_s)        f_t = E(x_t)
    y_ss = G_SR(f_s)    x_tt = G_t(f_t)    x_st = G_t(f_s)
    f_st = E(x_st)      y_sts = G_SR(f_st)

The letters after ``_`` are a route: whose content, then each domain it was rendered into.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

ABSENT: Any = None  # a tensor that nothing asked for, a critic or criterion that is switched off


class Batch(NamedTuple):
    """What a training step is fed with: RGB in [0, 1].

    ``x_s`` (B, 3, h, w) source LR, ``y_s`` (B, 3, scale*h, scale*w) its HR, ``x_t`` (B, 3, h, w) target LR, unpaired.
    For the extension tea the model adds ``x_tp``, x_t perturbed, and ``y_t``, the averaged network's HR image of x_t.
    """

    x_s: Tensor
    y_s: Tensor
    x_t: Tensor = ABSENT
    x_tp: Tensor = ABSENT
    y_t: Tensor = ABSENT


class Pass(NamedTuple):
    """Every tensor of one training pass; a tensor that no active term reads is None.

    ``f_*`` are features (B, C, h, w), ``x_*`` LR images (B, 3, h, w), ``y_*`` HR images (B, 3, scale*h, scale*w).
    ``y_tt`` = G_SR(f_t), the path used at test time, and ``y_tpt``, the same for a perturbed x_t, are not part of the
    paper's training pass; terms of the extensions read them.
    """

    x_s: Tensor = ABSENT
    x_t: Tensor = ABSENT
    f_s: Tensor = ABSENT
    f_t: Tensor = ABSENT
    y_ss: Tensor = ABSENT
    x_tt: Tensor = ABSENT
    x_st: Tensor = ABSENT
    f_st: Tensor = ABSENT
    y_sts: Tensor = ABSENT
    y_tt: Tensor = ABSENT
    x_tp: Tensor = ABSENT
    f_tp: Tensor = ABSENT
    y_tpt: Tensor = ABSENT


class Route(NamedTuple):
    """How one tensor of the pass is made: ``tensor = network(source)``."""

    tensor: str
    network: str
    source: str


ROUTES = (
    Route("f_s", "encoder", "x_s"),
    Route("f_t", "encoder", "x_t"),
    Route("y_ss", "sr_decoder", "f_s"),
    Route("x_tt", "lr_decoder", "f_t"),
    Route("x_st", "renderer", "f_s"),
    Route("f_st", "encoder", "x_st"),
    Route("y_sts", "sr_decoder", "f_st"),
    Route("y_tt", "sr_decoder", "f_t"),
    Route("f_tp", "encoder", "x_tp"),
    Route("y_tpt", "sr_decoder", "f_tp"),
)
# what the same network does at the same stage of a pass; y_ss could come sooner, but is made beside y_sts
STAGES = (("f_s", "f_t", "f_tp"), ("x_tt", "x_st"), ("f_st",), ("y_ss", "y_sts", "y_tt", "y_tpt"))
PAPER = ("f_s", "f_t", "y_ss", "x_tt", "x_st", "f_st", "y_sts")


def one_pass(
    networks: Mapping[str, Callable[[Tensor], Tensor]],
    x_s: Tensor,
    x_t: Tensor = ABSENT,
    wanted: Collection[str] = PAPER,
    x_tp: Tensor = ABSENT,
) -> Pass:
    """Compute the wanted tensors of one pass, and those they are made from, each exactly once.

    ``networks`` maps "encoder", "sr_decoder" and "lr_decoder" to E, G_SR and G_t, and "renderer" to G_t with its noise
    input drawn: the target's features carry their own noise, the source's have none that G_t could render.
    Raises ValueError where a wanted tensor needs ``x_t`` or ``x_tp`` and there is none.
    """
    needed, made = _begin({"x_s": x_s, "x_t": x_t, "x_tp": x_tp}, wanted)
    for route in ROUTES:
        if route.tensor in needed:
            made[route.tensor] = networks[route.network](made[route.source])
    return Pass(**made)


def joint_pass(
    networks: Mapping[str, Callable[[Tensor], Tensor]],
    x_s: Tensor,
    x_t: Tensor = ABSENT,
    wanted: Collection[str] = PAPER,
    x_tp: Tensor = ABSENT,
) -> Pass:
    """The tensors of ``one_pass``, to rounding, by four calls instead of seven: what a network does twice it does once.

    (f_s, f_t), (x_tt, x_st) and (y_ss, y_sts) go through their network as one batch each, which keeps a GPU busier;
    G_t and the renderer are the same network unless it has a noise input.
    """
    needed, made = _begin({"x_s": x_s, "x_t": x_t, "x_tp": x_tp}, wanted)
    for stage in STAGES:
        routes = [route for route in ROUTES if route.tensor in stage and route.tensor in needed]
        for network in dict.fromkeys(networks[route.network] for route in routes):
            shared = [route for route in routes if networks[route.network] == network]
            sources = [made[route.source] for route in shared]
            outputs = torch.split(network(torch.cat(sources)), [len(source) for source in sources])
            made |= zip((route.tensor for route in shared), outputs, strict=True)
    return Pass(**made)


def _begin(images: dict[str, Tensor], wanted: Collection[str]) -> tuple[set[str], dict[str, Tensor]]:
    """What a pass has to make, and what it begins with."""
    needed = _with_sources(wanted)
    for name in ("x_t", "x_tp"):
        if name in needed and images[name] is None:
            raise ValueError(
                f"expected a target batch {name} for {sorted(wanted)}, found none; give the data set a target domain"
            )
    return needed, images


def networks_used(wanted: Collection[str]) -> set[str]:
    """The networks that a pass calls for the wanted tensors: "encoder", "sr_decoder", "lr_decoder"."""
    needed = _with_sources(wanted)
    called = {route.network for route in ROUTES if route.tensor in needed}
    return {"lr_decoder" if network == "renderer" else network for network in called}


def _with_sources(wanted: Collection[str]) -> set[str]:
    """The wanted tensors and all that they are made from, back to the images."""
    needed = set(wanted)
    for route in reversed(ROUTES):
        if route.tensor in needed:
            needed.add(route.source)
    return needed

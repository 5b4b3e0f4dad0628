"""The six terms of the generator: what E, G_SR and G_t are trained by.

Each term is a function of one pass. It returns its parts as raw values; weights are the caller's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from usrda_plugin.method.passes import ABSENT, Batch, Pass

Critic = Callable[[Tensor], Tensor]
Distance = Callable[[Tensor, Tensor], Tensor]


class Adversarial(Protocol):
    """A GAN criterion: a critic's answers against a label, for the critic itself (``is_disc``) or its opponent."""

    def __call__(self, prediction: Tensor, target_is_real: bool, is_disc: bool = False) -> Tensor: ...


class Perceptual(Protocol):
    """A feature distance that can compute the target's features once and reuse them."""

    def features(self, target: Tensor) -> Any: ...

    def distance(self, image: Tensor, target_features: Any) -> Tensor: ...


class Critics(NamedTuple):
    """D_f on features, D_t on target LR images, D_y on HR images; None where no active term asks it."""

    f: Critic = ABSENT
    t: Critic = ABSENT
    y: Critic = ABSENT


class Criteria(NamedTuple):
    """What each term compares with; a part of rec and cyc that is None is left out."""

    pixel: Distance = ABSENT
    perceptual: Perceptual = ABSENT
    gan: Adversarial = ABSENT
    align: Adversarial = ABSENT
    res: Distance = ABSENT
    sty: Adversarial = ABSENT
    idt: Distance = ABSENT


class Step(NamedTuple):
    """All that a term may look at: one pass, the batch it was made from, and the features of y_s, computed once."""

    tensors: Pass
    batch: Batch
    critics: Critics
    criteria: Criteria
    y_s_features: Any = None


Parts = dict[str, Tensor]


def align(step: Step) -> Parts:
    """(L(D_f(f_s)) + L(D_f(f_t))) / 2, least squares to 0.5: D_f must not know which domain it sees. Moves E."""
    tensors, d_f, criterion = step.tensors, step.critics.f, step.criteria.align
    # a criterion with labels instead of the undecided 0.5 gets them exchanged: each domain shall pass for the other
    return {"": (criterion(d_f(tensors.f_s), False) + criterion(d_f(tensors.f_t), True)) / 2}


def rec(step: Step) -> Parts:
    """L1 + perceptual + adversarial of y_ss against y_s. Moves E and G_SR."""
    return _against_y_s(step.tensors.y_ss, step)


def res(step: Step) -> Parts:
    """L1 of x_tt against x_t: G_t keeps what makes the target the target. Moves E and G_t."""
    return {"": step.criteria.res(step.tensors.x_tt, step.batch.x_t)}


def sty(step: Step) -> Parts:
    """Least squares of D_t(x_st) to 1: source content in the target's style. Moves E and G_t."""
    return {"": step.criteria.sty(step.critics.t(step.tensors.x_st), True)}


def idt(step: Step) -> Parts:
    """L1 of f_st against f_s: the style may change, the content may not. Moves E and G_t."""
    return {"": step.criteria.idt(step.tensors.f_st, step.tensors.f_s)}


def cyc(step: Step) -> Parts:
    """As rec, of y_sts against y_s: target-styled sources must be super-resolved too. Moves E, G_SR and G_t."""
    return _against_y_s(step.tensors.y_sts, step)


def _against_y_s(image: Tensor, step: Step) -> Parts:
    criteria = step.criteria
    parts: Parts = {}
    if criteria.pixel is not None:
        parts["pix"] = criteria.pixel(image, step.batch.y_s)
    if criteria.perceptual is not None:
        parts["percep"] = criteria.perceptual.distance(image, step.y_s_features)
    if criteria.gan is not None:
        parts["gan"] = criteria.gan(step.critics.y(image), True)
    return parts


class Term(NamedTuple):
    """A term of the generator and the tensors of the pass that it reads."""

    parts: Callable[[Step], Parts]
    reads: tuple[str, ...]


TERMS: dict[str, Term] = {
    "align": Term(align, reads=("f_s", "f_t")),
    "rec": Term(rec, reads=("y_ss",)),
    "res": Term(res, reads=("x_tt",)),
    "sty": Term(sty, reads=("x_st",)),
    "idt": Term(idt, reads=("f_st", "f_s")),
    "cyc": Term(cyc, reads=("y_sts",)),
}

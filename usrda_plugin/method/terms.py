"""The six terms of the generator: what E, G_SR and G_t are trained by.

Each term is a function of one pass. It returns its parts as raw values; weights are the caller's.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from usrda_plugin.method.extensions import EXTENSIONS, weighted_by_d_t
from usrda_plugin.method.step import Parts, Step, Term, fooling


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
    return {"": fooling(step.criteria.sty, step.critics.t(step.tensors.x_st), step.answers.t)}


def idt(step: Step) -> Parts:
    """L1 of f_st against f_s: the style may change, the content may not. Moves E and G_t."""
    return {"": step.criteria.idt(step.tensors.f_st, step.tensors.f_s)}


def cyc(step: Step) -> Parts:
    """As rec, of y_sts against y_s: target-styled sources must be super-resolved too. Moves E, G_SR and G_t."""
    return _against_y_s(step.tensors.y_sts, step, _pixel if step.criteria.cyc_map is None else weighted_by_d_t)


def _pixel(step: Step, image: Tensor) -> Tensor:
    return step.criteria.pixel(image, step.batch.y_s)


def _against_y_s(image: Tensor, step: Step, pixel: Callable[[Step, Tensor], Tensor] = _pixel) -> Parts:
    criteria = step.criteria
    parts: Parts = {}
    if criteria.pixel is not None:
        parts["pix"] = pixel(step, image)
    if criteria.perceptual is not None:
        parts["percep"] = criteria.perceptual.distance(image, step.y_s_features)
    if criteria.gan is not None:
        parts["gan"] = fooling(criteria.gan, step.critics.y(image), step.answers.y)
    return parts


TERMS: dict[str, Term] = {
    "align": Term(align, reads=("f_s", "f_t")),
    "rec": Term(rec, reads=("y_ss",)),
    "res": Term(res, reads=("x_tt",)),
    "sty": Term(sty, reads=("x_st",)),
    "idt": Term(idt, reads=("f_st", "f_s")),
    "cyc": Term(cyc, reads=("y_sts",)),
    **EXTENSIONS,
}

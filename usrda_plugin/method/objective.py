"""What is minimised: the active terms with their weights, the weighted total, and the phases of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from usrda_plugin.method import extensions, terms
from usrda_plugin.method.context import Criteria, CriticLoss, Critics, CriticTerm, LossContext, Term
from usrda_plugin.method.forward import Batch, Needs, Pass

TERMS: dict[str, Term] = {
    "align": Term(terms.align, reads=("f_s", "f_t")),
    "rec": Term(terms.rec, reads=("y_ss",)),
    "res": Term(terms.res, reads=("x_tt",)),
    "sty": Term(terms.sty, reads=("x_st",)),
    "idt": Term(terms.idt, reads=("f_st", "f_s")),
    "cyc": Term(terms.cyc, reads=("y_sts",)),
    **extensions.EXTENSIONS,
}
CRITIC_TERMS: dict[str, CriticTerm] = {
    "f": CriticTerm(terms.d_f, asked_by=("align",), criterion=lambda criteria: criteria.align),
    "t": CriticTerm(terms.d_t, asked_by=("sty",), criterion=lambda criteria: criteria.sty),
    "y": CriticTerm(terms.d_y, asked_by=("rec", "cyc"), criterion=lambda criteria: criteria.gan),
    "h": CriticTerm(extensions.d_h, asked_by=("hr",), criterion=lambda criteria: criteria.hr),
}
PSNR_TERMS = ("rec", "res")


class Objective(NamedTuple):
    """A choice of terms with their weights: one for each phase of a training.

    ``weights`` maps a loss, such as "l_g_rec_pix", to its weight; ``critics`` are those to be trained; ``needs`` is
    what the pass must compute.
    """

    terms: tuple[str, ...]
    criteria: Criteria
    weights: Mapping[str, float]
    critics: tuple[str, ...]
    needs: Needs

    @classmethod
    def of(cls, active: Sequence[str], criteria: Criteria, weights: Mapping[str, float]) -> Objective:
        """The objective of some terms, with the critics that these ask and the tensors that they read."""
        critics = tuple(
            name
            for name, term in CRITIC_TERMS.items()
            if set(term.asked_by) & set(active) and term.criterion(criteria) is not None
        )
        return cls(tuple(active), criteria, weights, critics, needs_of(active))

    def context(self, tensors: Pass, batch: Batch, critics: Critics) -> LossContext:
        """What the generator's terms look at, with what several of them share computed once."""
        ctx = LossContext(tensors, batch, critics, self.criteria)
        perceptual = self.criteria.perceptual
        features = None if perceptual is None else perceptual.features(batch.y_s)
        return ctx._replace(y_s_features=features, real_answers=terms.real_answers(ctx))

    def generator_losses(self, ctx: LossContext) -> dict[str, Tensor]:
        """The raw value of each part of each active term."""
        losses: dict[str, Tensor] = {}
        for name in self.terms:
            value = TERMS[name].loss(ctx)
            if isinstance(value, Tensor):
                losses[loss_name(name)] = value
            else:
                parts = zip(value._fields, value, strict=True)
                losses |= {loss_name(name, part): each for part, each in parts if each is not None}
        return losses

    def total(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of the generator's losses."""
        return torch.stack([self.weights[name] * value for name, value in losses.items()]).sum()

    def critic_losses(self, tensors: Pass, batch: Batch, critics: Critics) -> dict[str, CriticLoss]:
        """The loss and the answers of each critic that is trained."""
        ctx = LossContext(tensors, batch, critics, self.criteria)
        return {name: CRITIC_TERMS[name].loss(ctx) for name in self.critics}

    def pixel_only(self) -> Objective:
        """The PSNR phase: rec by its pixel part and res, no critic."""
        criteria = self.criteria._replace(perceptual=None, gan=None)
        return Objective.of(psnr_terms(self.terms, has_pixel=criteria.pixel is not None), criteria, self.weights)

    def critics_only(self) -> Objective:
        """The critics' head start: the same pass, but for what the teacher is asked; the generator at rest."""
        return self._replace(terms=(), needs=self.needs._replace(x_tp=False, f_tp=False, y_tpt=False))


class Phases(NamedTuple):
    """The order of a training: a PSNR phase, the critics' head start, then all.

    ``psnr_iter`` iterations of pixel terms alone, ``net_d_init_iters`` of the critics alone, then the generator in
    every ``net_d_iters``-th.
    """

    everything: Objective
    psnr: Objective
    psnr_iter: int = 0
    net_d_init_iters: int = 0
    net_d_iters: int = 1

    def at(self, current_iter: int) -> Objective:
        """What is minimised in an iteration, counted from 1."""
        if current_iter <= self.psnr_iter:
            return self.psnr
        since = current_iter - self.psnr_iter
        generator_rests = since <= self.net_d_init_iters or since % self.net_d_iters
        return self.everything.critics_only() if generator_rests else self.everything


def loss_name(term: str, part: str = "") -> str:
    """What a loss of the generator is called, as BasicSR logs it: "l_g_align", "l_g_rec_pix"."""
    return f"l_g_{term}_{part}" if part else f"l_g_{term}"


def needs_of(active: Sequence[str]) -> Needs:
    """What a pass must compute for some terms."""
    return Needs.of(*(tensor for term in active for tensor in TERMS[term].reads))


def reads_target(term: str) -> bool:
    """Whether a term needs target images, for itself or for the critic that it asks."""
    needs = needs_of((term,))
    return needs.x_t or needs.x_tp or term in CRITIC_TERMS["t"].asked_by


def psnr_terms(active: Sequence[str], *, has_pixel: bool) -> tuple[str, ...]:
    """Those of some terms that the PSNR phase has: res, and rec where a pixel criterion is left of it."""
    return tuple(term for term in active if term in PSNR_TERMS and (has_pixel or term != "rec"))

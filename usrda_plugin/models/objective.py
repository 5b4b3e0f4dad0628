"""What the options ask the generator to minimise: active terms, their weights, and what they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from usrda_plugin.method import (
    ABSENT,
    CRITIC_TERMS,
    TERMS,
    Batch,
    Criteria,
    Critics,
    Pass,
    Step,
    Verdict,
    networks_used,
    real_answers,
)
from usrda_plugin.method.passes import PAPER
from usrda_plugin.models.criteria import active_terms, build_criteria, log_name, misses_of_extensions, weight_of

PSNR_TERMS = ("rec", "res")


class Objective(NamedTuple):
    """A choice of terms with their weights: one for each phase of training.

    ``weights`` maps a logged name such as ``l_g_rec_pix`` to its weight; ``reads`` are the tensors that the pass must
    compute; ``critics`` are the critics to be trained.
    """

    terms: tuple[str, ...]
    criteria: Criteria
    weights: dict[str, float]
    critics: tuple[str, ...]
    reads: tuple[str, ...]

    def verdicts(self, tensors: Pass, batch: Batch, critics: Mapping[str, nn.Module]) -> dict[str, Verdict]:
        """The loss and the answers of each critic."""
        criteria = self.criteria._asdict()
        terms = {name: CRITIC_TERMS[name] for name in self.critics}
        return {
            name: term.verdict(critics[name], criteria[term.criterion], tensors, batch) for name, term in terms.items()
        }

    def material(self, tensors: Pass, batch: Batch, critics: Mapping[str, nn.Module]) -> Step:
        """What the terms look at; features of y_s and answers to real images are computed here, once for all terms."""
        perceptual = self.criteria.perceptual
        features = None if perceptual is None else perceptual.features(batch.y_s)
        answers = real_answers({name: critics[name] for name in self.critics}, self.criteria, batch)
        return Step(tensors, batch, Critics(**critics), self.criteria, features, answers)

    def losses(self, step: Step) -> dict[str, Tensor]:
        """The raw value of each part of each active term, by its logged name."""
        return {
            log_name(term, part): value
            for term in self.terms
            for part, value in TERMS[term].parts(step).items()
        }  # fmt: skip

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        """The weighted sum: what the generator's backward pass starts from."""
        return torch.stack([self.weights[name] * value for name, value in losses.items()]).sum()

    def pixel_only(self) -> Objective:
        """The PSNR phase: rec by its pixel part and res, no critic."""
        criteria = self.criteria._replace(perceptual=ABSENT, gan=ABSENT)
        return _objective(psnr_terms(self.terms, has_pixel=criteria.pixel is not None), criteria, self.weights)

    def critics_only(self) -> Objective:
        """The critics' head start: the same pass, but for what the teacher is asked; the generator at rest."""
        return self._replace(terms=(), reads=tuple(tensor for tensor in self.reads if tensor != "y_tpt"))


def build_objective(train_opt: dict[str, Any], to: torch.device) -> Objective:
    """The objective that the ``train`` block of an option file describes; absent blocks and weights of 0 cost nothing.

    Raises ValueError where no term is left, or where a criterion cannot serve.
    """
    active = active_terms(train_opt)
    if not active:
        raise ValueError("train: no term has a weight; give at least rec_opt and pixel_opt a loss_weight")
    for miss in misses_of_extensions(train_opt):
        place = f"{miss.block}: {miss.argument}" if miss.argument else miss.block
        raise ValueError(f"train: {place}: {miss.message}; {miss.remedy}")
    criteria, weights = build_criteria(train_opt, to)
    return _objective(active, criteria, weights)


def asking_terms(train_opt: dict[str, Any]) -> dict[str, list[str]]:
    """For each critic the active terms that ask it; none where their criterion has no weight."""
    active = active_terms(train_opt)
    return {
        name: [term for term in critic.asked_by if term in active]
        if weight_of(train_opt.get(f"{critic.criterion}_opt"), "loss_weight")
        else []
        for name, critic in CRITIC_TERMS.items()
    }


def psnr_terms(terms: Sequence[str], *, has_pixel: bool) -> tuple[str, ...]:
    """Those of ``terms`` that the PSNR phase has: res, and rec where a pixel criterion is left of it."""
    return tuple(term for term in terms if term in PSNR_TERMS and (has_pixel or term != "rec"))


def leaves_networks_idle(train_opt: dict[str, Any]) -> bool:
    """Whether in some phase of the training not all of E, G_SR and G_t are used; asked before anything is built."""
    terms = active_terms(train_opt)
    phases = [terms]
    if train_opt.get("psnr_iter"):
        has_pixel = bool(weight_of(train_opt.get("pixel_opt"), "loss_weight"))
        phases.append(psnr_terms(terms, has_pixel=has_pixel))
    used = [networks_used([tensor for term in phase for tensor in TERMS[term].reads]) for phase in phases]
    return any(networks != networks_used(PAPER) for networks in used)


def _objective(terms: tuple[str, ...], criteria: Criteria, weights: dict[str, float]) -> Objective:
    critics = tuple(
        name
        for name, term in CRITIC_TERMS.items()
        if set(term.asked_by) & set(terms) and criteria._asdict()[term.criterion] is not None
    )
    reads = tuple(dict.fromkeys(tensor for term in terms for tensor in TERMS[term].reads))
    return Objective(terms, criteria, weights, critics, reads)

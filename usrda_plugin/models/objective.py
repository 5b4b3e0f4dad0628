"""What the options ask the generator to minimise: active terms, their weights, and what they need."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from basicsr.losses import build_loss
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
)
from usrda_plugin.method.passes import PAPER

# the three parts of rec and cyc: where their options stand, and what their weight is called there
SHARED_PARTS = {
    "pix": ("pixel_opt", "loss_weight"),
    "percep": ("perceptual_opt", "perceptual_weight"),
    "gan": ("gan_opt", "loss_weight"),
}
CRITERION_OF_PART = {"pix": "pixel", "percep": "perceptual", "gan": "gan"}
OWN_CRITERIA = ("align", "res", "sty", "idt")
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
        """What the terms look at; the features of y_s are computed here, once for rec and cyc."""
        perceptual = self.criteria.perceptual
        features = None if perceptual is None else perceptual.features(batch.y_s)
        return Step(tensors, batch, Critics(**critics), self.criteria, features)

    def losses(self, step: Step) -> dict[str, Tensor]:
        """The raw value of each part of each active term, by its logged name."""
        return {
            _log_name(term, part): value
            for term in self.terms
            for part, value in TERMS[term].parts(step).items()
        }  # fmt: skip

    def total(self, losses: dict[str, Tensor]) -> Tensor:
        """The weighted sum: what the generator's backward pass starts from."""
        return torch.stack([self.weights[name] * value for name, value in losses.items()]).sum()

    def pixel_only(self) -> Objective:
        """The PSNR phase: rec by its pixel part and res, no critic."""
        criteria = self.criteria._replace(perceptual=ABSENT, gan=ABSENT)
        terms = tuple(term for term in self.terms if term in PSNR_TERMS)
        if criteria.pixel is None:
            terms = tuple(term for term in terms if term != "rec")
        return _objective(terms, criteria, self.weights)

    def critics_only(self) -> Objective:
        """The critics' head start: the same pass, the generator at rest."""
        return self._replace(terms=())


def build_objective(train_opt: dict[str, Any], to: torch.device) -> Objective:
    """The objective that the ``train`` block of an option file describes; absent blocks and weights of 0 cost nothing.

    Raises ValueError where no term is left, or where a criterion cannot serve.
    """
    outer = {term: _weight(train_opt.get(f"{term}_opt"), "loss_weight") for term in ("rec", "cyc")}
    shared = train_opt if any(outer.values()) else {}  # parts of no term are not built
    parts = {part: _criterion(shared.get(key), weight_key, to) for part, (key, weight_key) in SHARED_PARTS.items()}
    own = {term: _criterion(train_opt.get(f"{term}_opt"), "loss_weight", to) for term in OWN_CRITERIA}
    criteria = Criteria(
        **{CRITERION_OF_PART[part]: criterion for part, (criterion, _) in parts.items()},
        **{term: criterion for term, (criterion, _) in own.items()},
    )
    weights = {_log_name(term, ""): weight for term, (_, weight) in own.items()}
    for term in outer:
        weights |= {_log_name(term, part): outer[term] * weight for part, (_, weight) in parts.items()}
    active = active_terms(train_opt)
    if not active:
        raise ValueError("train: no term has a weight; give at least rec_opt and pixel_opt a loss_weight")
    if criteria.perceptual is not None and not hasattr(criteria.perceptual, "distance"):
        raise ValueError(
            "train: perceptual_opt: type: expected USRDAPerceptualLoss or a loss with its features() and distance(), "
            f"found {type(criteria.perceptual).__name__}"
        )
    if getattr(criteria.perceptual, "style_weight", 0):
        raise ValueError("train: perceptual_opt: style_weight: USR-DA has no style part; remove it or set it to 0")
    if getattr(criteria.align, "gan_type", "") == "hinge":
        raise ValueError(
            "train: align_opt: gan_type: BasicSR's hinge ignores the label of its opponent, so it cannot align; "
            "take USRDAAlignLoss, or lsgan"
        )
    return _objective(active, criteria, weights)


def active_terms(train_opt: dict[str, Any]) -> tuple[str, ...]:
    """The terms that have a weight; rec and cyc need a part with a weight too. Asked before anything is built."""
    has_parts = any(_weight(train_opt.get(key), weight_key) for key, weight_key in SHARED_PARTS.values())
    weighed = (term for term in TERMS if _weight(train_opt.get(f"{term}_opt"), "loss_weight"))
    return tuple(term for term in weighed if has_parts or term in OWN_CRITERIA)


def asking_terms(train_opt: dict[str, Any]) -> dict[str, list[str]]:
    """For each critic the active terms that ask it; none where their criterion has no weight."""
    active = active_terms(train_opt)
    return {
        name: [term for term in critic.asked_by if term in active]
        if _weight(train_opt.get(f"{critic.criterion}_opt"), "loss_weight")
        else []
        for name, critic in CRITIC_TERMS.items()
    }


def leaves_networks_idle(train_opt: dict[str, Any]) -> bool:
    """Whether in some phase of the training not all of E, G_SR and G_t are used; asked before anything is built."""
    terms = active_terms(train_opt)
    phases = [terms, [term for term in terms if term in PSNR_TERMS]] if train_opt.get("psnr_iter") else [terms]
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


def _criterion(opt: dict[str, Any] | None, weight_key: str, to: torch.device) -> tuple[Any, float]:
    """A registered loss at weight 1, so that what is logged is raw, and the weight that the options give it."""
    weight = _weight(opt, weight_key)
    return (build_loss({**(opt or {}), weight_key: 1.0}).to(to) if weight else ABSENT), weight


def _weight(opt: dict[str, Any] | None, weight_key: str) -> float:
    """The weight of a block: 1 where it does not say, 0 where there is no block."""
    return float(opt.get(weight_key, 1.0)) if opt is not None else 0.0


def _log_name(term: str, part: str) -> str:
    return f"l_g_{term}_{part}" if part else f"l_g_{term}"

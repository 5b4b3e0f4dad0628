"""From the ``train`` block of the options to the objective of each phase: criteria, weights, active terms."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from basicsr.losses import build_loss

from usrda_plugin.method import (
    CRITIC_TERMS,
    PAPER,
    TERMS,
    Criteria,
    Needs,
    Objective,
    Phases,
    Relativistic,
    loss_name,
    needs_of,
    psnr_terms,
)

# the three parts of rec and cyc: where their options stand, and what their weight is called there
SHARED_PARTS = {
    "pix": ("pixel_opt", "loss_weight"),
    "percep": ("perceptual_opt", "perceptual_weight"),
    "gan": ("gan_opt", "loss_weight"),
}
CRITERION_OF_PART = {"pix": "pixel", "percep": "perceptual", "gan": "gan"}
# terms that compare by a criterion of their own name
OWN_CRITERIA = tuple(term for term in TERMS if term in Criteria._fields)
# the block of the criterion by which each critic is trained
CRITIC_BLOCKS = {"f": "align_opt", "t": "sty_opt", "y": "gan_opt", "h": "hr_opt"}
# keys of a criterion's block that say how the term is made, not how the criterion is built
OF_THE_TERM = {"tea_opt": ("perturbation",)}
PERTURBATION = 0.02  # standard deviation of the noise that tea adds to x_t: 5 of 255 levels


class MissingRequirement(NamedTuple):
    """What the terms cannot do without: the keys of its place in ``train``, what is wrong, and what to do."""

    keys: tuple[str, ...]
    message: str
    remedy: str


def build_phases(train_opt: dict[str, Any], to: torch.device) -> Phases:
    """The objectives that the ``train`` block describes; absent blocks and weights of 0 cost nothing.

    Raises ValueError where no term is left, in the PSNR phase either, or where a criterion cannot serve.
    """
    for missing in missing_requirements(train_opt):
        raise ValueError(": ".join(("train", *missing.keys, f"{missing.message}; {missing.remedy}")))
    everything = Objective.of(active_terms(train_opt), *build_criteria(train_opt, to))
    return Phases(
        everything,
        everything.pixel_only(),
        int(train_opt.get("psnr_iter") or 0),
        int(train_opt.get("net_d_init_iters") or 0),
        int(train_opt.get("net_d_iters") or 1),
    )


def asking_terms(train_opt: dict[str, Any]) -> dict[str, list[str]]:
    """For each critic the active terms that ask it; none where their criterion has no weight."""
    active = active_terms(train_opt)
    return {
        name: [term for term in critic.asked_by if term in active]
        if weight_of(train_opt.get(CRITIC_BLOCKS[name]), "loss_weight")
        else []
        for name, critic in CRITIC_TERMS.items()
    }


def leaves_networks_idle(train_opt: dict[str, Any]) -> bool:
    """Whether in some phase of the training not all of E, G_SR and G_t are used; asked before anything is built."""
    active = active_terms(train_opt)
    phases = [active]
    if train_opt.get("psnr_iter"):
        has_pixel = bool(weight_of(train_opt.get("pixel_opt"), "loss_weight"))
        phases.append(psnr_terms(active, has_pixel=has_pixel))
    return any(networks_used(needs_of(phase)) != networks_used(PAPER) for phase in phases)


def build_criteria(train_opt: dict[str, Any], to: torch.device) -> tuple[Criteria, dict[str, float]]:
    """The criteria that ``train`` asks for, and the weight of each part by its logged name; weight 0 builds nothing.

    Raises ValueError where a criterion cannot serve.
    """
    outer = {term: weight_of(train_opt.get(f"{term}_opt"), "loss_weight") for term in ("rec", "cyc")}
    shared = train_opt if any(outer.values()) else {}  # parts of no term are not built
    parts = {part: _criterion(shared.get(key), weight_key, to) for part, (key, weight_key) in SHARED_PARTS.items()}
    own = {term: _own_criterion(train_opt, term, to) for term in OWN_CRITERIA}
    criteria = Criteria(
        **{CRITERION_OF_PART[part]: criterion for part, (criterion, _) in parts.items()},
        **{term: criterion for term, (criterion, _) in own.items()},
        cyc_map=_cycle_map(train_opt, to) if outer["cyc"] else None,
    )
    weights = {loss_name(term): weight for term, (_, weight) in own.items()}
    for term in outer:
        weights |= {loss_name(term, part): outer[term] * weight for part, (_, weight) in parts.items()}
    _refuse_unfit(criteria)
    return criteria, weights


def active_terms(train_opt: dict[str, Any]) -> tuple[str, ...]:
    """The terms that have a weight; rec and cyc need a part with a weight too. Asked before anything is built."""
    has_parts = any(weight_of(train_opt.get(key), weight_key) for key, weight_key in SHARED_PARTS.values())
    weighed = (term for term in TERMS if weight_of(train_opt.get(f"{term}_opt"), "loss_weight"))
    return tuple(term for term in weighed if has_parts or term in OWN_CRITERIA)


def missing_requirements(train_opt: dict[str, Any]) -> list[MissingRequirement]:
    """What the active terms miss, all that the options tell of it; asked before anything is built."""
    active = active_terms(train_opt)
    if not active:
        remedy = "add at least rec_opt: {loss_weight: 1} and pixel_opt"
        return [MissingRequirement(("rec_opt",), "no term of USR-DA has a weight", remedy)]
    found = []
    has_pixel = bool(weight_of(train_opt.get("pixel_opt"), "loss_weight"))
    if train_opt.get("psnr_iter") and not psnr_terms(active, has_pixel=has_pixel):
        message = "expected pixel_opt in rec, or res_opt, for this phase; found neither"
        found.append(MissingRequirement(("psnr_iter",), message, "give one of them a weight, or remove psnr_iter"))
    if "tea" in active and not train_opt.get("ema_decay"):
        message = "the teacher of tea is the averaged network, and there is none"
        found.append(MissingRequirement(("tea_opt",), message, "set ema_decay: 0.999"))
    if "cyc" in active and (train_opt.get("cyc_opt") or {}).get("weighted_by"):
        found += _missing_of_weighted_cycle(train_opt, active)
    return found + _unfit_criteria(train_opt, active)


def networks_used(needs: Needs) -> tuple[bool, bool, bool]:
    """Whether E, G_SR and G_t are called."""
    return needs.f_s or needs.f_t or needs.f_tp, needs.sr_decoder, needs.lr_decoder


def weight_of(opt: dict[str, Any] | None, weight_key: str) -> float:
    """The weight of a block: 1 where it does not say, 0 where there is no block."""
    return float(opt.get(weight_key, 1.0)) if opt is not None else 0.0


def _missing_of_weighted_cycle(train_opt: dict[str, Any], active: tuple[str, ...]) -> list[MissingRequirement]:
    sty, pixel = train_opt.get("sty_opt") or {}, train_opt.get("pixel_opt")
    found = []
    if "sty" not in active:
        found.append(("D_t is to weigh the places of cyc, and no term trains it", "give sty_opt a weight"))
    elif sty.get("gan_type", "lsgan") != "lsgan" or sty.get("type") == "USRDARelativisticLoss":
        message = f"weights are answers between 0 and 1, and by {sty.get('gan_type', sty.get('type'))} D_t gives others"
        found.append((message, "use lsgan in sty_opt"))
    if not weight_of(pixel, "loss_weight"):
        found.append(("D_t is to weigh pixels, and there is no pixel_opt", "give pixel_opt a weight"))
    elif (pixel or {}).get("reduction", "mean") != "mean":
        found.append(("weighted places are averaged", "leave pixel_opt: reduction at mean"))
    return [MissingRequirement(("cyc_opt", "weighted_by"), message, remedy) for message, remedy in found]


def _unfit_criteria(train_opt: dict[str, Any], active: tuple[str, ...]) -> list[MissingRequirement]:
    """Criteria that their terms cannot compare by."""
    found, align, perceptual = [], train_opt.get("align_opt") or {}, train_opt.get("perceptual_opt") or {}
    has_features = {"rec", "cyc"} & {*active} and weight_of(perceptual or None, "perceptual_weight")
    if "align" in active and align.get("gan_type") == "hinge":
        message = "BasicSR's hinge ignores the label of its opponent, so it cannot align"
        found.append(MissingRequirement(("align_opt", "gan_type"), message, "take USRDAAlignLoss, or lsgan"))
    if "align" in active and align.get("type") == "USRDARelativisticLoss":
        message = "USRDARelativisticLoss compares pairs, and align wants one answer to both domains"
        found.append(MissingRequirement(("align_opt", "type"), message, "write USRDAAlignLoss"))
    if has_features and perceptual.get("style_weight"):
        message = "USR-DA has no style part"
        found.append(MissingRequirement(("perceptual_opt", "style_weight"), message, "remove it or set it to 0"))
    return found


def _own_criterion(train_opt: dict[str, Any], term: str, to: torch.device) -> tuple[Any, float]:
    key = f"{term}_opt"
    opt = train_opt.get(key)
    if opt is not None:
        opt = {name: value for name, value in opt.items() if name not in OF_THE_TERM.get(key, ())}
    return _criterion(opt, "loss_weight", to)


def _criterion(opt: dict[str, Any] | None, weight_key: str, to: torch.device) -> tuple[Any, float]:
    """A registered loss at weight 1, so that what is logged is raw, and the weight that the options give it."""
    weight = weight_of(opt, weight_key)
    return (build_loss({**(opt or {}), weight_key: 1.0}).to(to) if weight else None), weight


def _cycle_map(train_opt: dict[str, Any], to: torch.device) -> Any:
    """The pixel criterion of cyc as a map, where its places are weighed."""
    if not (train_opt.get("cyc_opt") or {}).get("weighted_by"):
        return None
    pixel = {**train_opt["pixel_opt"], "reduction": "none"}
    try:
        return _criterion(pixel, "loss_weight", to)[0]
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"train: pixel_opt: type: expected a loss with `reduction: none`, which cyc_opt: weighted_by needs; {error}"
        ) from None


def _refuse_unfit(criteria: Criteria) -> None:
    """Raise ValueError for a criterion, of whatever class, that lacks what its term asks of it."""
    if criteria.perceptual is not None and not hasattr(criteria.perceptual, "distance"):
        raise ValueError(
            "train: perceptual_opt: type: expected USRDAPerceptualLoss or a loss with its features() and distance(), "
            f"found {type(criteria.perceptual).__name__}"
        )
    if isinstance(criteria.align, Relativistic):
        raise ValueError(
            "train: align_opt: type: both domains shall look undecided, which pairs cannot say; take USRDAAlignLoss"
        )

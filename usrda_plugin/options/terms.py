"""What the terms of USR-DA need: critics, target images, an averaged network, iterations to be trained in."""

from __future__ import annotations

import inspect
from typing import Any

from usrda_plugin.options.registered import NETWORKS, find
from usrda_plugin.options.validation import Review


def check_terms(review: Review) -> None:
    """Critics and target images that the active terms of USR-DA ask for."""
    from usrda_plugin.method import CRITIC_TERMS, reads_target
    from usrda_plugin.models.criteria import CRITIC_BLOCKS, active_terms, asking_terms, misses_of_extensions

    # what is no block has been reported
    train = {key: block for key, block in review.block("train").items() if isinstance(block, dict)}
    active, asking = active_terms(train), asking_terms(train)
    if not active:
        review.fault(
            ("train", "rec_opt"),
            "no term of USR-DA has a weight",
            "add at least rec_opt: {loss_weight: 1} and pixel_opt",
        )
    for name, terms in asking.items():
        if terms:
            review.need((f"network_d_{name}",), f"the terms {', '.join(terms)} ask this critic")
            review.need(("train", "optim_d"), "critics are trained by it")
        elif review.at("path", f"pretrain_network_d_{name}") is not None:
            message = "no active term asks this critic, so the file would never be loaded"
            wanted = " or ".join(f"{term}_opt" for term in CRITIC_TERMS[name].asked_by)
            remedy = f"remove it, or give {wanted} and {CRITIC_BLOCKS[name]} a weight"
            review.fault(("path", f"pretrain_network_d_{name}"), message, remedy)
    (_check_adversarial_phase if any(asking.values()) else _check_rests)(review)
    _check_domains(review, [term for term in active if reads_target(term)])
    if "align" in active:
        _check_feature_width(review)
        _check_no_pairs(review)
    for miss in misses_of_extensions({**train, "ema_decay": review.at("train", "ema_decay")}):
        keys = ("train", miss.block, miss.argument) if miss.argument else ("train", miss.block)
        review.fault(keys, miss.message, miss.remedy)


def _check_rests(review: Review) -> None:
    """Without a critic to train, an iteration in which the generator rests does nothing."""
    for key, least in (("net_d_iters", 2), ("net_d_init_iters", 1)):
        value = review.at("train", key)
        if isinstance(value, int) and value >= least:
            message = "the generator would rest for critics, and no active term asks one"
            review.fault(("train", key), message, "remove it, or give an adversarial term a weight")


def _check_adversarial_phase(review: Review) -> None:
    """The generator meets the critics only after ``psnr_iter`` and ``net_d_init_iters`` iterations."""
    counts = {key: review.at("train", key) or 0 for key in ("psnr_iter", "net_d_init_iters")}
    total = review.at("train", "total_iter")
    if not isinstance(total, int) or sum(counts.values()) < total:
        return
    told = " and ".join(f"{key} {count}" for key, count in counts.items() if count)
    message = f"the adversarial terms would never begin: {told} against total_iter {total}"
    remedy = f"set total_iter above {sum(counts.values())}, or begin earlier, or drop the adversarial terms"
    review.fault(("train", "psnr_iter" if counts["psnr_iter"] else "net_d_init_iters"), message, remedy)


def _check_feature_width(review: Review) -> None:
    """D_f judges feature maps, so it takes as many channels as these have."""
    made = _argument(review, "network_g", "num_feat")
    judged = _argument(review, "network_d_f", "num_in_ch")
    # a width below 1 is reported where it stands
    if None not in (made, judged) and made != judged and isinstance(made, int) and made >= 1:
        message = f"network_d_f takes {judged} channels, but the feature maps of network_g have {made} (its num_feat)"
        review.fault(("network_d_f", "num_in_ch"), message, f"set num_in_ch: {made}")


def _argument(review: Review, network: str, name: str) -> Any:
    """An argument of a network, given or by default; None where it has none of that name."""
    item = find(NETWORKS, review.at(network, "type"))
    parameters = inspect.signature(item).parameters if item is not None else {}
    return review.block(network).get(name, parameters[name].default) if name in parameters else None


def _check_no_pairs(review: Review) -> None:
    """Alignment wants both domains to look undecided, which pairs cannot say."""
    if review.at("train", "align_opt", "type") == "USRDARelativisticLoss":
        message = "USRDARelativisticLoss compares pairs, and align wants one answer to both domains"
        review.fault(("train", "align_opt", "type"), message, "write USRDAAlignLoss")


def _check_domains(review: Review, wanting: list[str]) -> None:
    keys, dataset = ("datasets", "train"), review.block("datasets", "train")
    if dataset.get("type") == "USRDASourceDataset":
        message = "USRDASourceDataset makes pairs for BasicSR's models; USRDAModel needs both domains"
        review.fault((*keys, "type"), message, "write USRDADataset")
    if wanting and dataset.get("type") == "USRDADataset" and not dataset.get("dataroot_target"):
        message = f"the terms {', '.join(wanting)} look at target images, and there are none"
        review.fault((*keys, "dataroot_target"), message, "give a folder of target images, or drop these terms")

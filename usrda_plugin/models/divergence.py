"""What is said of steps that were skipped, and of a training that stops because nothing else is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

_SHOWN = 4
BLOCKS = {
    "pix": "pixel_opt",
    "percep": "perceptual_opt",
    "style": "perceptual_opt",
    "gan": "gan_opt",
    "ldl": "ldl_opt",
    "feat": "feature_matching_opt",
}
"""The block of ``train`` by which BasicSR's models weigh a loss; USRDAModel's terms have blocks of their own names."""


class Count(NamedTuple):
    """What is known of one optimizer's steps; the last three tell of the step with which the newest row began."""

    skipped: int = 0
    in_row: int = 0
    since: int = 0
    wrong: int = 0
    """A bit for each name of the layout."""
    layout: int = 0


class TrainingDiverged(RuntimeError):
    """Training cannot go on with finite numbers; the message says what was not finite, what is left, what to try."""


def skip_warning(step: str, count: Count, names: Sequence[str]) -> str:
    """One line for the log; ``step`` in words, such as "the generator's step"."""
    return (
        f"Iteration {count.since}: {step} was skipped, {_culprits(names)}. "
        f"Skipped in a row: {max(count.in_row, 1)}; in all: {count.skipped}."
    )


def overflow_notice(step: str, count: Count) -> str:
    """One line for the log where it is the scale of half-precision gradients that was too large."""
    return (
        f"A gradient overflowed in half precision: {step} was skipped and the scale of gradients made smaller. "
        f"Skipped in all: {count.skipped}."
    )


def divergence_message(
    step: str, count: Count, names: Sequence[str], wrong_weights: Sequence[str], states: Path, advice: Sequence[str]
) -> str:
    """What happened, what is left, and what to try."""
    weights = (
        f"No step can be finite, as weights are not: {_listed(wrong_weights)}."
        if wrong_weights
        else "Skipped steps change nothing, so no network holds a wrong number."
    )
    return (
        f"training stopped: {step} was skipped {count.in_row} times in a row, since iteration {count.since}, "
        f"when {_culprits(names)}. {weights} {saved_before(states, count.since)} "
        f"To try: {'; '.join(advice)}. max_skipped_steps says how many in a row are borne."
    )


def unsaved_message(what: str, wrong: Sequence[str], states: Path) -> str:
    """Why something is not saved that holds numbers that are not finite, and what is left."""
    return (
        f"training stopped: {what} holds numbers that are not finite ({_listed(wrong)}) and was not saved. "
        f"{saved_before(states)} To try: a lower learning rate, or weight_decay."
    )


def saved_before(states: Path, since: int | None = None) -> str:
    """Which checkpoints there are, and from which training went on before steps were skipped since an iteration."""
    saved = sorted(int(file.stem) for file in states.glob("*.state") if file.stem.isdigit())
    if not saved:
        return "Nothing was saved before."
    said = f"The last saved set is whole: iteration {saved[-1]}; --auto_resume or path: resume_state goes on from it."
    if since is None or saved[-1] < since - 1:
        return said
    before = [iteration for iteration in saved if iteration < since - 1]
    way = f"go back to iteration {before[-1]} by path: resume_state" if before else "begin anew, none was saved earlier"
    return f"{said} It has the weights from which steps were skipped; if they are again, {way}."


def remedies(step: str, names: Sequence[str], train_opt: Mapping[str, Any], *, can_clip: bool) -> list[str]:
    """What to try, likeliest first; ``step`` as in ``optim_g``."""
    reasons = reasons_of(names)
    advice = ["look at the images that were read then"] if reasons[0].startswith("l_") else []
    advice.append(f"a lower learning rate (optim_{step}: lr, now {(train_opt.get(f'optim_{step}') or {}).get('lr')})")
    if train_opt.get("amp") == "fp16":
        advice.append("amp: bf16 or false instead of fp16")
    block = _block(reasons[0])
    if train_opt.get(block):
        advice.append(f"a smaller loss_weight of {block}")
    if can_clip and not train_opt.get("clip_grad_norm"):
        advice.append("clip_grad_norm: 1")
    return advice


def _block(loss: str) -> str:
    part = loss.removeprefix("l_").removeprefix("g_").split("_")[0]
    return BLOCKS.get(part, f"{part}_opt")


def reasons_of(names: Sequence[str]) -> list[str]:
    """The terms in the order in which they were computed; the total and gradients only where no term is wrong."""
    losses = [name for name in names if name.startswith("l_")]
    return [name for name in losses if name != "l_g_total"] or losses or list(names)


def _culprits(names: Sequence[str]) -> str:
    first, *others = reasons_of(names)
    return f"{first} was not finite" + (f" (and then {_listed(others)})" if others else "")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")

"""What is said of steps that were skipped, and of a training that stops because nothing else is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

STEPS = {"g": "the generator's step", "d": "the critics' step"}
_SHOWN = 4


class Count(NamedTuple):
    """What is known of one optimizer's steps; the last three tell of the step with which the newest row began."""

    skipped: int = 0
    in_row: int = 0
    since: int = 0
    wrong: int = 0
    """A bit for each name of the layout."""
    layout: int = 0


class TrainingDiverged(RuntimeError):
    """Too many steps in a row had a loss or a gradient that is not finite; the message says which and what to try."""


def warning(step: str, count: Count, names: Sequence[str]) -> str:
    """One line for the log."""
    return (
        f"Iteration {count.since}: {STEPS[step]} was skipped, {_culprits(names)}. "
        f"Skipped in a row: {max(count.in_row, 1)}; in all: {count.skipped}."
    )


def overflow(step: str, count: Count) -> str:
    """One line for the log where it is the scale of half-precision gradients that was too large."""
    return (
        f"A gradient overflowed in half precision: {STEPS[step]} was skipped and the scale of gradients made smaller. "
        f"Skipped in all: {count.skipped}."
    )


def farewell(step: str, count: Count, names: Sequence[str], train_opt: Mapping[str, Any], states: Path) -> str:
    """What happened, what is left, and what to try."""
    return (
        f"training stopped: {STEPS[step]} was skipped {count.in_row} times in a row, since iteration {count.since}, "
        f"when {_culprits(names)}. Skipped steps change nothing, so no network holds a wrong number. {_saved(states)} "
        f"To try: {'; '.join(_remedies(step, _reasons(names), train_opt))}. "
        f"max_skipped_steps says how many in a row are borne."
    )


def _reasons(names: Sequence[str]) -> list[str]:
    """The terms in the order in which they were computed; the total and gradients only where no term is wrong."""
    losses = [name for name in names if name.startswith("l_")]
    return [name for name in losses if name != "l_g_total"] or losses or list(names)


def _culprits(names: Sequence[str]) -> str:
    first, *others = _reasons(names)
    more = f" (and then {', '.join(others[:_SHOWN])}{', ...' if len(others) > _SHOWN else ''})" if others else ""
    return f"{first} was not finite{more}"


def _saved(states: Path) -> str:
    saved = [int(file.stem) for file in states.glob("*.state") if file.stem.isdigit()]
    if not saved:
        return "Nothing was saved before."
    return f"The last saved set is whole: iteration {max(saved)}; --auto_resume or path: resume_state goes on from it."


def _remedies(step: str, reasons: Sequence[str], train_opt: Mapping[str, Any]) -> list[str]:
    told = ["look at the images that were read then"] if reasons[0].startswith("l_") else []
    told.append(f"a lower learning rate (optim_{step}: lr, now {(train_opt.get(f'optim_{step}') or {}).get('lr')})")
    if train_opt.get("amp") == "fp16":
        told.append("amp: bf16 or false instead of fp16")
    if reasons[0].startswith("l_g_") and reasons[0] != "l_g_total":
        told.append(f"a smaller loss_weight of {reasons[0].split('_')[2]}_opt")
    if not train_opt.get("clip_grad_norm"):
        told.append("clip_grad_norm: 1")
    return told

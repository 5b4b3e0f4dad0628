"""What is wrong with an option file: one fault, and the error that lists them all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import NamedTuple

Keys = tuple[str, ...]
# names that mean another one, though a third looks more like them
MEANT = {"loss_weight": "perceptual_weight", "artifacts_opt": "ldl_opt", "fix_iter": "fix_flow"}


class Fault(NamedTuple):
    """One thing that is wrong with the options.

    ``keys`` leads to the place, from the top of the file; ``file`` is where that place was written.
    """

    keys: Keys
    file: str
    message: str
    remedy: str

    @property
    def key(self) -> str:
        """The place in one word, e.g. ``train.optim_g.lr``."""
        return ".".join(self.keys)

    def __str__(self) -> str:
        place = ": ".join(self.keys) or "the whole file"
        return f"{place}  [{self.file}]\n    {self.message}\n    remedy: {self.remedy}"


class OptionsError(ValueError):
    """The options cannot be run. ``faults`` says why; its text is one message with all of them."""

    def __init__(self, file: str, faults: Sequence[Fault]) -> None:
        self.file = file
        self.faults = list(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        listed = "".join(f"\n{number}. {fault}" for number, fault in enumerate(self.faults, start=1))
        super().__init__(f"{file}: {count} in the options; nothing was started, nothing was written.{listed}")


def nearest(name: str, known: Iterable[str]) -> str:
    """``did you mean 'x'?`` for the known name that looks most like ``name``; "" where none does."""
    lower = {candidate.lower(): candidate for candidate in known}
    if MEANT.get(name.lower()) in lower:
        return f"did you mean {MEANT[name.lower()]!r}?"
    found = get_close_matches(name.lower(), lower, n=1, cutoff=0.6)
    if not found and len(name) > 1:
        found = sorted((candidate for candidate in lower if name.lower() in candidate), key=len)
    return f"did you mean {lower[found[0]]!r}?" if found else ""


def looks_like(name: str, known: Iterable[str]) -> bool:
    """Whether ``name`` is so near to a known name that it must be meant for it: nearer than ``nearest`` asks."""
    return bool(get_close_matches(name, list(known), n=1, cutoff=0.85))


def some(items: Sequence[object], shown: int = 3) -> str:
    """The first few of ``items``, and how many more there are; on one line, whatever names may hold."""
    more = f" and {len(items) - shown} more" if len(items) > shown else ""
    told = [str(item) for item in items[:shown]]
    return ", ".join(item if item.isprintable() else repr(item) for item in told) + more

"""Options under validation, and what is wrong with them: each error with its key, place and remedy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, NamedTuple

Keys = tuple[str, ...]
Options = dict[str, Any]
COMMAND_LINE = "--force_yml"
# names that mean another one, though a third looks more like them
MEANT = {"loss_weight": "perceptual_weight", "artifacts_opt": "ldl_opt"}


class OptionError(NamedTuple):
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
    """The options cannot be run. ``errors`` say why; its text is one message with all of them."""

    def __init__(self, file: str, errors: Sequence[OptionError]) -> None:
        self.file = file
        self.errors = list(errors)
        count = "1 fault" if len(self.errors) == 1 else f"{len(self.errors)} faults"
        listed = "".join(f"\n{number}. {fault}" for number, fault in enumerate(self.errors, start=1))
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


class Source(NamedTuple):
    """A place where options were written (a file, or the command line), and what it says."""

    label: str
    content: Mapping[str, Any]


@dataclass
class Validation:
    """Options on their way through the checks; each check reads ``opt``, may tidy it, and reports errors.

    ``sources`` has the strongest first: command line, option file, its bases.
    """

    opt: Options
    is_train: bool
    sources: tuple[Source, ...]
    errors: list[OptionError] = field(default_factory=list)

    def error(self, keys: Keys, message: str, remedy: str, *, further: bool = False) -> None:
        """Report an error, unless there is one at ``keys`` already, whose echo it will be; a ``further`` one is not."""
        if further or all(known.keys != keys for known in self.errors):
            self.errors.append(OptionError(keys, self.origin(keys), message, remedy))

    def need(self, keys: Keys, why: str) -> None:
        """Report that a key is missing, unless it is there or what was there has been found wrong."""
        if self.at(*keys) is None and not any(
            known.keys and known.keys == keys[: len(known.keys)] for known in self.errors
        ):
            below = f" below {': '.join(keys[:-1])}" if keys[1:] else ""
            self.error(keys, f"{keys[-1]} is missing; {why}", f"add {keys[-1]}{below}")

    def origin(self, keys: Keys) -> str:
        """Where the value at ``keys`` was written, or, where there is none, the block around it."""
        return self.sources[self.rank(keys)].label

    def rank(self, keys: Keys) -> int:
        """The number of the source that says what is at ``keys``, the strongest being 0."""
        for length in range(len(keys), 0, -1):
            for number, source in enumerate(self.sources):
                # what is missing is missed in a file, also where the command line says something of its block
                partial = length < len(keys) and source.label == COMMAND_LINE
                if not partial and _has(source.content, keys[:length]):
                    return number
        return next(number for number, source in enumerate(self.sources) if source.label != COMMAND_LINE)

    def at(self, *keys: str) -> Any:
        """The value at ``keys``, or None where there is none."""
        value: Any = self.opt
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def block(self, *keys: str) -> Options:
        """The block at ``keys``, or an empty one."""
        value = self.at(*keys)
        return value if isinstance(value, dict) else {}

    def datasets(self) -> Iterator[tuple[str, Options]]:
        """The data sets, by their phase such as ``train`` or ``val_1``."""
        for phase, dataset in self.block("datasets").items():
            if isinstance(dataset, dict):
                yield phase, dataset

    def networks(self) -> Iterator[tuple[str, Options]]:
        """The networks, by their key such as ``network_g``."""
        for key, network in self.opt.items():
            if key.startswith("network_") and isinstance(network, dict):
                yield key, network

    def losses(self) -> Iterator[tuple[str, Options]]:
        """The loss blocks of ``train``, by their key such as ``pixel_opt``."""
        for key, loss in self.block("train").items():
            if key.endswith("_opt") and isinstance(loss, dict):
                yield key, loss


def _has(content: Any, keys: Keys) -> bool:
    for key in keys:
        if not isinstance(content, Mapping) or key not in content:
            return False
        content = content[key]
    return True

"""The options under review, and the faults found so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from usrda_plugin.options.faults import Fault, Keys

Options = dict[str, Any]


class Source(NamedTuple):
    """A place where options were written (a file, or the command line), and what it says."""

    label: str
    content: Mapping[str, Any]


@dataclass
class Review:
    """Options on their way through the checks; each check reads ``opt``, may tidy it, and reports faults.

    ``sources`` has the strongest first: command line, option file, its bases.
    """

    opt: Options
    is_train: bool
    sources: tuple[Source, ...]
    faults: list[Fault] = field(default_factory=list)

    def fault(self, keys: Keys, message: str, remedy: str, *, further: bool = False) -> None:
        """Report a fault, unless there is one at ``keys`` already, whose echo it will be; a ``further`` one is not."""
        if further or all(known.keys != keys for known in self.faults):
            self.faults.append(Fault(keys, self.origin(keys), message, remedy))

    def need(self, keys: Keys, why: str) -> None:
        """Report that a key is missing, unless it is there or what was there has been found wrong."""
        if self.at(*keys) is None and not any(
            known.keys and known.keys == keys[: len(known.keys)] for known in self.faults
        ):
            below = f" below {': '.join(keys[:-1])}" if keys[1:] else ""
            self.fault(keys, f"{keys[-1]} is missing; {why}", f"add {keys[-1]}{below}")

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


COMMAND_LINE = "--force_yml"


def _has(content: Any, keys: Keys) -> bool:
    for key in keys:
        if not isinstance(content, Mapping) or key not in content:
            return False
        content = content[key]
    return True

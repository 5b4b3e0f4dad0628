"""What messages say of files: names out of them, without what a terminal would obey, and why one is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

LONGEST = 80
SHOWN = 3


class Refusal(NamedTuple):
    """Why a file, or what is in it, is not taken: what was found, and what to do."""

    found: str
    remedy: str


class MisfitError(ValueError):
    """Weights that a network cannot be given; ``remedy`` is "" where it depends on where the file was named."""

    def __init__(self, fault: str, remedy: str = "") -> None:
        super().__init__(f"{fault}; {remedy}" if remedy else fault)
        self.fault, self.remedy = fault, remedy


def shown(name: object, longest: int = LONGEST) -> str:
    """A name as text: control and direction codes escaped, cut where it is too long; of other keys their type."""
    if not isinstance(name, str):
        return str(name) if isinstance(name, int) and abs(name) < 10**18 else f"({type(name).__name__})"
    short = name if len(name) <= longest else f"{name[:longest]}..."
    return _escaped(short)


def shown_path(file: str | Path) -> str:
    """A path as text, whole."""
    return _escaped(str(file))


def some(names: Iterable[object], count: int = SHOWN, spell: Callable[[object], str] = shown) -> str:
    """The first of some names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - count} more" if len(listed) > count else ""
    return ", ".join(map(spell, listed[:count])) + more


def quoted(names: Iterable[object], count: int = 5) -> str:
    """The first of some names in quotes."""
    listed = list(names)
    return ", ".join(f"'{shown(name)}'" for name in listed[:count]) + (", ..." if len(listed) > count else "")


def _escaped(text: str) -> str:
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)

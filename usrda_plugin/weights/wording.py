"""Names out of a file, in messages: short, and without what a terminal would obey."""

from __future__ import annotations

from collections.abc import Callable, Iterable

LONGEST = 80
SHOWN = 3


def shown(name: object, longest: int = LONGEST) -> str:
    """A name as text: control and direction codes escaped, cut where it is too long; of other keys their type."""
    if not isinstance(name, str):
        return str(name) if isinstance(name, int) and abs(name) < 10**18 else f"({type(name).__name__})"
    short = name if len(name) <= longest else f"{name[:longest]}..."
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in short)


def some(names: Iterable[object], count: int = SHOWN, spell: Callable[[object], str] = shown) -> str:
    """The first of some names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - count} more" if len(listed) > count else ""
    return ", ".join(map(spell, listed[:count])) + more


def quoted(names: Iterable[object], count: int = 5) -> str:
    """The first of some names in quotes."""
    listed = list(names)
    return ", ".join(f"'{shown(name)}'" for name in listed[:count]) + (", ..." if len(listed) > count else "")

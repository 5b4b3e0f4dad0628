"""What commands print on: lines that stay whole, to be searched and copied, and a bar that passes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import track

T = TypeVar("T")


def plain_console(*, stderr: bool = False) -> Console:
    """A console that prints text as it is: no line is broken, nothing is taken for markup or coloured."""
    return Console(stderr=stderr, soft_wrap=True, highlight=False, markup=False)


def passing_bar(description: str) -> Callable[[Sequence[T]], Iterable[T]]:
    """What gives things one by one, with a bar on stderr that is gone in the end; no bar where there is no terminal."""

    def give(things: Sequence[T]) -> Iterable[T]:
        console = plain_console(stderr=True)
        return track(things, description=description, console=console, transient=True, disable=not console.is_terminal)

    return give

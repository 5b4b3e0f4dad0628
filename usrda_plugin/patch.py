"""Compatibility patches: how a change of BasicSR's behaviour is declared, and the two ways to put it there."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any

_MARK = "__patch__"


@dataclass(frozen=True)
class Patch:
    """One change of BasicSR's behaviour: ``apply`` installs it, once, and says whether this BasicSR needs it."""

    name: str
    fault: str
    apply: Callable[[], bool]


PATCHES: list[Patch] = []
"""All patches that have been declared, in the order in which they are applied."""


def patch(name: str, fault: str) -> Callable[[Callable[[], bool]], Callable[[], bool]]:
    """Declare a function as the patch ``name``, which mends ``fault``; ``usrda_plugin.compat`` applies it."""

    def declare(apply: Callable[[], bool]) -> Callable[[], bool]:
        PATCHES.append(Patch(name, fault, apply))
        return apply

    return declare


def replace(owner: Any, attribute: str, make: Callable[[Any], Callable[..., Any]]) -> bool:
    """Put ``make(original)`` in the place of ``owner.attribute``; the original stays reachable as ``__wrapped__``."""
    original = getattr(owner, attribute)
    if not hasattr(original, _MARK):
        setattr(owner, attribute, _marked(original, make))
    return True


def replace_everywhere(module: ModuleType, attribute: str, make: Callable[[Any], Callable[..., Any]]) -> bool:
    """As ``replace``, in each module of BasicSR that imported the function by name."""
    original = getattr(module, attribute)
    if not hasattr(original, _MARK):
        replacement = _marked(original, make)
        for place in [place for name, place in list(sys.modules.items()) if name.split(".")[0] == "basicsr"]:
            for name in [name for name, value in vars(place).items() if value is original]:
                setattr(place, name, replacement)
    return True


def mentions(function: Any, word: str) -> bool:
    """Whether the code of a function (its original, where it is replaced) uses a name or a string constant."""
    original = getattr(function, "__wrapped__", function) if hasattr(function, _MARK) else function
    return _code_mentions(original.__code__, word)


def _code_mentions(code: CodeType, word: str) -> bool:
    inner = [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return word in code.co_names or word in code.co_consts or any(_code_mentions(part, word) for part in inner)


def _marked(original: Any, make: Callable[[Any], Callable[..., Any]]) -> Callable[..., Any]:
    replacement = functools.wraps(original)(make(original))
    setattr(replacement, _MARK, True)
    return replacement

"""Seams for BasicSR's registries."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import Any

from usrda_plugin.compat.record import replace


class UnknownNameError(KeyError):
    """A registry has nothing under this name."""

    def __str__(self) -> str:
        return str(self.args[0])


def suggest_registered_names() -> bool:
    """Look names up in silence, and offer the nearest where there is none."""
    return replace(import_module("basicsr.utils.registry").Registry, "get", lambda original: _get)


def _get(self: Any, name: str, suffix: str = "basicsr") -> Any:
    for key in (name, f"{name}_{suffix}"):
        if key in self._obj_map:
            return self._obj_map[key]
    known = [key.removesuffix(f"_{suffix}") for key in self._obj_map]
    nearest = get_close_matches(str(name), known, n=1)
    hint = f"did you mean {nearest[0]!r}?" if nearest else f"there are {', '.join(sorted(known))}"
    raise UnknownNameError(f"no {self._name} is registered under the name {name!r}: {hint} (a plugin may be missing)")


def register_same_class_twice() -> bool:
    """Let a module that is imported a second time register its classes again."""
    return replace(import_module("basicsr.utils.registry").Registry, "_do_register", lambda original: _do_register)


def _do_register(self: Any, name: str, obj: Any, suffix: str | None = None) -> None:
    key = f"{name}_{suffix}" if isinstance(suffix, str) else name
    known = self._obj_map.get(key)
    if known is not None and _origin(known) != _origin(obj):
        raise ValueError(
            f"{key!r} is already registered as a {self._name} by {known.__module__}, and {obj.__module__} registers"
            " another under the same name; rename one, or load one plugin alone"
        )
    self._obj_map[key] = obj


def _origin(obj: Any) -> tuple[str, str]:
    return obj.__module__, obj.__qualname__

"""Finding and loading plugins of BasicSR: modules that register networks, datasets, losses, metrics or models."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from usrda_plugin.compat import apply_patches

GROUP = "basicsr.plugins"


class PluginError(ValueError):
    """A plugin cannot be loaded."""


def register_ours() -> None:
    """Mend BasicSR for today's libraries and register our classes with it; a second call does nothing."""
    # importing them registers what they have
    from usrda_plugin import archs, data, losses, metrics, models  # noqa: F401

    apply_patches()


def find_plugins() -> list[EntryPoint]:
    """The installed plugins: every entry point of the group ``basicsr.plugins``, by name."""
    return sorted(set(entry_points(group=GROUP)), key=lambda entry: entry.name)


def load_plugins(modules: Sequence[str] = ()) -> list[str]:
    """Load the installed plugins and those named (dotted module names or paths of .py files); gives their names.

    An entry point that is callable is called. Raises PluginError, which names the plugin.
    """
    register_ours()
    for entry in find_plugins():
        _load(f"{entry.name} ({GROUP}: {entry.value})", partial(_enter, entry))
    for module in modules:
        _load(f"{module} (--plugin)", partial(_import, module))
    return [*(entry.name for entry in find_plugins()), *modules]


def _load(name: str, load: Callable[[], object]) -> None:
    try:
        load()
    except Exception as error:
        raise PluginError(
            f"plugin {name} cannot be loaded: {type(error).__name__}: {error}; mend it, or uninstall it or leave it out"
        ) from error


def _enter(entry: EntryPoint) -> None:
    plugin = entry.load()
    if callable(plugin):
        plugin()


def _import(module: str) -> object:
    file = Path(module)
    if file.suffix != ".py":
        _put_on_path(Path.cwd())
        return import_module(module)
    if not file.is_file():
        raise FileNotFoundError(f"no such file: {file}")
    # imported by name, not from a spec, so that spawned workers find the module again
    _put_on_path(file.resolve().parent)
    loaded = import_module(file.stem)
    origin = getattr(loaded, "__file__", None)
    if origin is None or Path(origin).resolve() != file.resolve():
        raise ImportError(f"another module is called {file.stem!r} ({origin}); rename the file")
    return loaded


def _put_on_path(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

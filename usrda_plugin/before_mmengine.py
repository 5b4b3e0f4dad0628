"""Import this before mmengine, which imports yapf, which unpickles a grammar from a cache folder that must exist."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import Any

from usrda_plugin.patch import patch

YAPF = ("yapf", "yapf.yapflib", "yapf.yapflib.yapf_api")


@patch(
    "mmengine_without_yapf",
    "mmengine's import unpickles a grammar from the user's cache folder, and fails without a home",
)
def import_mmengine_without_yapf() -> bool:
    """Import mmengine's configuration so that yapf is loaded only where Python is formatted, which we never do."""
    if not {"mmengine.config.config", "yapf"} & set(sys.modules):
        _import_beside(_stand_ins(), "mmengine.config.config")
    return "yapf" not in sys.modules


def _stand_ins() -> dict[str, ModuleType]:
    modules = {name: ModuleType(name) for name in YAPF}
    modules["yapf.yapflib.yapf_api"].FormatCode = _format  # type: ignore[attr-defined]
    with suppress(PackageNotFoundError):  # nor is it missed
        modules["yapf"].__version__ = version("yapf")  # type: ignore[attr-defined]
    return modules


def _format(*arguments: Any, **named: Any) -> Any:
    return import_module("yapf.yapflib.yapf_api").FormatCode(*arguments, **named)


def _import_beside(modules: dict[str, ModuleType], name: str) -> None:
    sys.modules.update(modules)
    try:
        import_module(name)
    finally:
        for stand_in in modules:
            del sys.modules[stand_in]


import_mmengine_without_yapf()

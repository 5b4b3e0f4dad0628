"""Imports of the package go down only, from floor to floor, and the method stands on bare torch."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import usrda_plugin

PACKAGE = Path(usrda_plugin.__file__).parent
ROOT = PACKAGE.name
FLOORS = (
    {"__main__"},
    {"cli"},
    {"adaptation"},
    {"evaluation", "reports"},
    {"training"},
    {"options", "inference"},
    {"compat"},
    {"models"},
    {"monitoring"},
    {"archs", "data", "losses", "metrics", "recipe_files"},
    {"method", "weights", "before_basicsr", "before_mmengine", "choices", "compiling"}
    | {"errors", "file_lock", "threads"},
    {"patch", "shipped"},
)
HEIGHT = {house: -number for number, floor in enumerate(FLOORS) for house in floor}
IMPORTERS = ("import_module", "__import__", "find_spec")


Module = tuple[str, ...]


@pytest.fixture(scope="module")
def sources() -> dict[Module, str]:
    """The text of every module of the package."""
    files = sorted(PACKAGE.rglob("*.py"))
    return {file.relative_to(PACKAGE).with_suffix("").parts: file.read_text(encoding="utf-8") for file in files}


def faults(sources: dict[Module, str]) -> list[str]:
    """What contradicts the floors in the modules of the package, a line each."""
    found = []
    for module, text in sources.items():
        if "utils" in module:
            found.append(f"{'.'.join(module)}: no module is called utils")
        if module == ("__init__",):
            continue  # registers everything, so it stands above and below all floors
        if module[0] not in HEIGHT:
            found.append(f"{'.'.join(module)}: {module[0]} is on no floor")
            continue
        for line, name in imports(text, module):
            why = refusal(module[0], name)
            found += [f"{'.'.join(module)}:{line}: {name}: {why}"] if why else []
    return found


def refusal(house: str, name: str) -> str:
    """Why a module of ``house`` must not import ``name``; "" where it may."""
    first, *below = name.split(".")
    if first != ROOT:
        bare = first == "torch" or first in sys.stdlib_module_names
        return "" if house != "method" or bare else "the method needs torch alone"
    if below == ["__version__"] or below[:1] == [house]:
        return ""
    if not below or below[0] not in HEIGHT:
        return "names are imported from the module that has them, not from the package's top"
    if HEIGHT[below[0]] == HEIGHT[house]:
        return "siblings on a floor do not import each other"
    return "imports go down only" if HEIGHT[below[0]] > HEIGHT[house] else ""


@cache
def imports(text: str, module: Module) -> list[tuple[int, str]]:
    """The line and dotted name of every import of a module, inside functions and by import_module too."""
    # a package's __init__ is the package itself, but relative names start from it as from any module in it
    inside = (ROOT, *module[:-1])
    return [(node.lineno, name) for node in ast.walk(ast.parse(text)) for name in imported_by(node, inside)]


def imported_by(node: ast.AST, inside: Module) -> list[str]:
    """What a statement or an expression in a module of the package ``inside`` imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        start = inside[: len(inside) - node.level + 1] if node.level else ()
        source = ".".join((*start, *([node.module] if node.module else [])))
        # `from usrda_plugin import models` imports a floor, so the name belongs to it
        return [f"{source}.{alias.name}" for alias in node.names] if source == ROOT else [source]
    return list(imported_by_call(node)) if isinstance(node, ast.Call) else []


def imported_by_call(call: ast.Call) -> Iterator[str]:
    """The module that ``import_module("...")`` names, as far as its text is written there."""
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    text = call.args[0] if call.args and function in IMPORTERS else None
    first = text.values[0] if isinstance(text, ast.JoinedStr) and text.values else text
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        yield first.value.rstrip(".")


def test_imports_go_down_only(sources: dict[Module, str]) -> None:
    assert len(sources) > 50
    assert faults(sources) == []


def test_the_imports_that_are_there_are_seen(sources: dict[Module, str]) -> None:
    seen = {name for _, name in imports(sources["training", "launch"], ("training", "launch"))}
    assert {"torch.distributed", "usrda_plugin.options", "basicsr.utils.logger"} <= seen
    hidden = {name for _, name in imports(sources["before_basicsr",], ("before_basicsr",))}
    assert {"torchvision", "torchvision.transforms.functional", "scipy.ndimage"} <= hidden


@pytest.mark.parametrize(
    ("file", "line", "why"),
    [
        ("models/image_grid.py", "import usrda_plugin.cli.basicsr", "down only"),
        ("models/image_grid.py", "from usrda_plugin.training import launch", "down only"),
        ("models/image_grid.py", "from usrda_plugin import training", "down only"),
        ("models/image_grid.py", "from ..training.launch import train", "down only"),
        ("models/image_grid.py", "from .. import training", "down only"),
        ("compat/logs.py", "from ..cli import exits", "down only"),
        ("archs/__init__.py", "from ..models import USRDAModel", "down only"),
        ("archs/critic.py", "def later():\n    from usrda_plugin.models import USRDAModel", "down only"),
        ("archs/critic.py", "def later():\n    import_module('usrda_plugin.models.image_grid')", "down only"),
        ("archs/critic.py", "importlib.import_module(f'usrda_plugin.models.{name}')", "down only"),
        ("losses/vgg.py", "from usrda_plugin.archs import USRDANet", "siblings"),
        ("data/sampler.py", "def later():\n    import usrda_plugin.metrics", "siblings"),
        ("models/image_grid.py", "from usrda_plugin import USRDANet", "package's top"),
        ("models/image_grid.py", "import_module(f'usrda_plugin.{floor}')", "package's top"),
        ("method/passes.py", "import numpy", "torch alone"),
        ("method/passes.py", "def later():\n    from basicsr.losses import build_loss", "torch alone"),
        ("method/passes.py", "from torchvision import models", "torch alone"),
        ("method/passes.py", "from usrda_plugin.archs import USRDANet", "down only"),
        ("helpers/text.py", "", "on no floor"),
        ("helpers.py", "", "on no floor"),
        ("training/utils.py", "", "called utils"),
        ("training/utils/text.py", "", "called utils"),
    ],
)
def test_a_planted_violation_is_caught(file: str, line: str, why: str, sources: dict[Module, str]) -> None:
    module = Path(file).with_suffix("").parts
    found = faults({**sources, module: f"{sources.get(module, '')}\n{line}\n"})
    assert len(found) == 1
    assert found[0].startswith(".".join(module))
    assert why in found[0]

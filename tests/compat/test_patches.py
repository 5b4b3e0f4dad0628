"""The list of patches as a whole."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import usrda_plugin
from usrda_plugin import patch as patching
from usrda_plugin.compat import PATCHES, Patch, apply_patches, patch_states


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_each_patch_names_its_fault_and_is_installed_once(patch: Patch) -> None:
    apply_patches()
    assert patch.fault
    assert patch.apply.__doc__
    before = _functions_of_basicsr()
    patch.apply()
    assert _functions_of_basicsr() == before


def test_registering_a_second_time_changes_nothing() -> None:
    before = _functions_of_basicsr()
    usrda_plugin.register()
    assert _functions_of_basicsr() == before


def test_names_are_unique_and_states_cover_all() -> None:
    apply_patches()
    states = {patch.name: state for patch, state in patch_states()}
    assert len(states) == len(PATCHES)
    assert set(states.values()) <= {"applied", "not needed"}


def test_a_replacement_reaches_modules_that_imported_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def original() -> str:
        return "old"

    owner, importer = ModuleType("basicsr.owner"), ModuleType("basicsr.importer")
    for module in (owner, importer):
        vars(module)["answer"] = original
        monkeypatch.setitem(patching.sys.modules, module.__name__, module)
    patching.replace_everywhere(owner, "answer", lambda old: lambda: f"not {old()}")
    patching.replace_everywhere(owner, "answer", lambda old: lambda: f"not {old()}")
    assert vars(importer)["answer"]() == "not old", "twice must be as once"
    assert vars(importer)["answer"].__wrapped__ is original


def test_features_are_told_by_the_original_code() -> None:
    train = import_module("basicsr.train")
    assert patching.mentions(train.load_resume_state, "current_device")
    assert not patching.mentions(train.load_resume_state, "no_such_name")


def _functions_of_basicsr() -> dict[str, int]:
    modules = [module for name, module in patching.sys.modules.items() if name.split(".")[0] == "basicsr"]
    functions = {f"{module.__name__}.{name}": id(value) for module in modules for name, value in vars(module).items()}
    classes = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    methods = {
        f"{cls.__module__}.{cls.__qualname__}.{name}": id(value) for cls in classes for name, value in vars(cls).items()
    }
    return {name: value for name, value in (functions | methods).items() if "_abc" not in name}


def test_the_documentation_lists_every_patch_with_its_fault() -> None:
    page = (Path(__file__).parents[2] / "docs/basicsr.md").read_text(encoding="utf-8")
    assert [patch.name for patch in PATCHES if f"| `{patch.name}` | {patch.fault} |" not in page] == []

"""Plugins are found, loaded, and named where they are broken."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from usrda_plugin.compat import plugins
from usrda_plugin.compat.plugins import GROUP, PluginError, find_plugins, load_plugins

Installer = Callable[[str, str], Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installer:
    """Write a module and install it as the only entry point of the group."""

    def installer(name: str, code: str) -> Path:
        (tmp_path / f"{name}.py").write_text(code)
        monkeypatch.syspath_prepend(tmp_path)
        entries = [EntryPoint(name, f"{name}:register" if "def register" in code else name, GROUP)]
        monkeypatch.setattr(plugins, "entry_points", lambda group: entries if group == GROUP else [])
        monkeypatch.delitem(sys.modules, name, raising=False)
        return tmp_path / f"{name}.py"

    return installer


@pytest.fixture
def none_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_a_callable_entry_point_is_called(install: Installer) -> None:
    install("plugin_called", "calls = []\ndef register():\n    calls.append(1)\n")
    assert load_plugins() == ["plugin_called"]
    assert sys.modules["plugin_called"].calls == [1]


def test_a_module_as_entry_point_is_imported_with_basicsr_at_hand(install: Installer) -> None:
    code = (
        "from basicsr.utils.registry import LOSS_REGISTRY\n@LOSS_REGISTRY.register()\nclass PluginImportedLoss: pass\n"
    )
    install("plugin_imported", code)
    load_plugins()
    from basicsr.utils.registry import LOSS_REGISTRY

    assert LOSS_REGISTRY.get("PluginImportedLoss").__module__ == "plugin_imported"


@pytest.mark.parametrize(
    ("code", "match"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
        ("def register():\n    raise RuntimeError('out of order')", "RuntimeError: out of order"),
    ],
)
def test_a_broken_plugin_is_named(code: str, match: str, install: Installer) -> None:
    install("plugin_broken", code)
    with pytest.raises(PluginError, match=match) as caught:
        load_plugins()
    assert str(caught.value).startswith("plugin plugin_broken (basicsr.plugins: plugin_broken")


@pytest.mark.usefixtures("none_installed")
def test_a_module_of_the_current_directory_is_a_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugin_here.py").write_text("loaded = True\n")
    monkeypatch.chdir(tmp_path)
    assert load_plugins(["plugin_here"]) == ["plugin_here"]
    assert sys.modules["plugin_here"].loaded


@pytest.mark.usefixtures("none_installed")
def test_a_file_is_a_plugin_that_workers_can_import_by_name(tmp_path: Path) -> None:
    file = tmp_path / "plugin_file.py"
    file.write_text("class Thing: pass\n")
    load_plugins([str(file)])
    assert sys.modules["plugin_file"].Thing.__module__ == "plugin_file"
    assert str(tmp_path) in sys.path


@pytest.mark.usefixtures("none_installed")
@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("no.such.plugin", r"plugin no\.such\.plugin \(--plugin\) cannot be loaded: ModuleNotFoundError"),
        ("nowhere/plugin.py", r"no such file: nowhere/plugin\.py"),
    ],
)
def test_a_missing_plugin_is_named(name: str, match: str) -> None:
    with pytest.raises(PluginError, match=match):
        load_plugins([name])


@pytest.mark.usefixtures("none_installed")
def test_a_file_that_hides_behind_another_module_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "random.py"
    file.write_text("")
    with pytest.raises(PluginError, match="another module is called 'random'"):
        load_plugins([str(file)])


def test_installed_plugins_come_by_name_without_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [EntryPoint(name, "json", GROUP) for name in ("b", "a", "b")]
    monkeypatch.setattr(plugins, "entry_points", lambda group: entries)
    assert [entry.name for entry in find_plugins()] == ["a", "b"]

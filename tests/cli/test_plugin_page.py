"""The example of docs/plugin.md, as a reader would copy it: loaded both ways, worth what it says, and trained."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch
import yaml

from usrda_plugin.cli.basicsr import main
from usrda_plugin.compat import plugins

PAGE = (Path(__file__).parents[2] / "docs/plugin.md").read_text(encoding="utf-8")
PYTHON, TOML, YAML = (
    re.search(rf"^```{kind}\n(.*?)^```$", PAGE, re.M | re.S)[1] for kind in ("python", "toml", "yaml")
)

OptionFile = Callable[..., Path]


@pytest.fixture
def module(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's module in the current directory, not yet imported, and no other plugin installed."""
    monkeypatch.setattr(plugins, "entry_points", lambda group: [])
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "edge_plugin", raising=False)
    (workshop / "edge_plugin.py").write_text(PYTHON)
    return workshop / "edge_plugin.py"


def registered() -> type[torch.nn.Module]:
    from basicsr.utils.registry import LOSS_REGISTRY

    return LOSS_REGISTRY.get("EdgeLoss")


def test_it_trains_by_the_options_of_the_page(module: Path, option_file: OptionFile) -> None:
    options = yaml.safe_load(YAML)["train"]
    file = option_file(train={**options, "total_iter": 2}, val={"metrics": None})
    assert main(["train", "-opt", str(file), "--plugin", "edge_plugin.py"]) == 0
    assert (module.parent / "experiments/tiny/models/net_g_latest.pth").is_file()


def test_a_misspelt_option_of_it_is_told(
    module: Path, option_file: OptionFile, capsys: pytest.CaptureFixture[str]
) -> None:
    file = option_file(train={"pixel_opt": {"type": "EdgeLoss", "edge_wieght": 0.5}})
    assert main(["train", "-opt", str(file), "--plugin", "edge_plugin.py"]) == 2
    assert "edge_weight" in capsys.readouterr().err


def test_its_package_is_found_by_the_entry_point_of_the_page(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tomllib = pytest.importorskip("tomllib", reason="Python 3.10 has none")
    project = tomllib.loads(TOML)
    assert project["tool"]["setuptools"]["py-modules"] == [module.stem]
    entries = [
        EntryPoint(name, value, group)
        for group, members in project["project"]["entry-points"].items()
        for name, value in members.items()
    ]
    monkeypatch.setattr(plugins, "entry_points", lambda group: [entry for entry in entries if entry.group == group])
    monkeypatch.syspath_prepend(module.parent)
    assert plugins.load_plugins() == ["edge"]
    assert registered().__module__ == "edge_plugin"


def test_a_step_costs_its_edge_and_a_shift_does_not(module: Path) -> None:
    plugins.load_plugins(["edge_plugin.py"])
    flat = torch.zeros(1, 3, 4, 4)
    step = torch.tensor([0.0, 0, 1, 1]).expand(1, 3, 4, 4)
    loss = registered()(loss_weight=2, edge_weight=3)
    assert loss(flat + 0.5, flat) == 2 * 0.5
    # half of the pixels differ by 1; one of the three differences of each row does
    torch.testing.assert_close(loss(step, flat), torch.tensor(2 * (0.5 + 3 * (1 / 3))))

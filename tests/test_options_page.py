"""docs/options.md: its commands, its recipes and scales, its excerpts are those of the files."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from usrda_plugin.cli import usrda
from usrda_plugin.options.inheritance import read_chain
from usrda_plugin.recipe_files import RECIPES

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/options.md").read_text(encoding="utf-8")


def test_its_commands_write_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commands = [shlex.split(line, comments=True) for line in re.findall(r"^    usrda (.*)$", PAGE, re.MULTILINE)]
    assert len(commands) == 3
    for arguments in commands:
        assert usrda.main(arguments) == 0
    assert {folder.name for folder in tmp_path.iterdir()} == {arguments[1] for arguments in commands}


def test_its_table_has_every_recipe_with_its_scales() -> None:
    rows = re.findall(r"^\| [^|]+ \| (`[a-z`, ]+) \| ([1-4, ]+) \|", PAGE, re.MULTILINE)
    told = {name: scales for names, scales in rows for name in re.findall(r"`(\w+)`", names)}
    assert told == {name: ", ".join(map(str, recipe.scales)) for name, recipe in RECIPES.items()}


def test_its_excerpts_are_lines_of_the_files() -> None:
    switch = re.search(r"^    _base_:\n(?:    .*\n)+?.*validation_without_pairs.*\n", PAGE, re.MULTILINE)
    assert switch
    assert re.sub("^    ", "", switch[0], flags=re.MULTILINE) in (ROOT / "options/train_adapt.yml").read_text()
    start = re.search(r"pretrain_network_g: experiments/\S+", PAGE)
    assert start
    for name in ("train_adapt", "train_usrda"):
        assert start[0] in (ROOT / f"options/{name}.yml").read_text()


def test_its_variant_builds_on_a_shipped_file(tmp_path: Path) -> None:
    variant = re.search(r"^    (_base_: train_adapt\.yml\n(?:    .*\n)+)", PAGE, re.MULTILINE)
    assert variant
    text = re.sub("^    ", "", variant[1], flags=re.MULTILINE).replace(
        "train_adapt.yml", f"{ROOT}/options/train_adapt.yml"
    )
    (tmp_path / "variant.yml").write_text(text)
    options = read_chain(tmp_path / "variant.yml").opt
    assert options["name"] == "train_adapt_gently"
    assert options["train"]["optim_g"] == {"type": "Adam", "lr": 5e-5, "betas": [0.9, 0.99]}


def test_its_links_are_there() -> None:
    assert [link for link in re.findall(r"\]\(([^)#]+)\)", PAGE) if not (ROOT / "docs" / link).exists()] == []

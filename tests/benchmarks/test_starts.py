"""The networks from which adaptation starts are what their cards say, and the cards say what was measured."""

from __future__ import annotations

import hashlib
import json
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from usrda_plugin.adaptation.starts import BUNDLED

ROOT = Path(__file__).resolve().parents[2]
STARTS, BENCHMARK = ROOT / "benchmarks/starts", ROOT / "benchmarks/adaptation"


@pytest.mark.parametrize("scale", BUNDLED)
def test_the_card_is_of_this_file_and_has_the_measured_figures(scale: int) -> None:
    file = BUNDLED[scale]
    text = file.with_suffix(".md").read_text(encoding="utf-8")
    front = next(yaml.safe_load_all(text))
    assert front["weights"]["bytes"] == file.stat().st_size
    assert front["weights"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    measured = json.loads((STARTS / "results.json").read_text())[f"x{scale}"]
    assert front["results"] == measured
    for networks in measured.values():
        assert (
            f"| {networks['cc0']['psnr']:.2f} | {networks['cc0']['ssim']:.4f} | {networks['cc0']['lpips']:.4f} |"
            in text
        )


@pytest.fixture
def one_command(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module of the report."""
    monkeypatch.syspath_prepend(str(BENCHMARK))
    before = set(sys.modules)
    module = import_module("one_command")
    for name in set(sys.modules) - before:
        monkeypatch.delitem(sys.modules, name, raising=False)
    return module


def test_gains_are_positive_where_the_adapted_network_is_better(one_command: ModuleType, tmp_path: Path) -> None:
    one = {
        "photographs": 40, "iterations": 500, "seconds": 570, "environment": {"torch": "2", "device": "CPU"},
        "bicubic": {"psnr": 28.0, "lpips": 0.5}, "start": {"psnr": 29.0, "lpips": 0.4},
        "adapted": {"psnr": 29.5, "lpips": 0.45},
    }  # fmt: skip
    line = one_command.row("a camera", one)
    assert line[:4] == ["a camera", "40", "500", "9.5"]
    assert line[5] == "0.50 dB"
    assert line[7] == "-0.0500"
    (tmp_path / "adapted.json").write_text(json.dumps({"city100_nikon": one}))
    assert "| City100 Nikon, scale 2 | 40 | 500 |" in one_command.section(tmp_path / "adapted.json")
    assert one_command.section(tmp_path / "absent.json") == ""

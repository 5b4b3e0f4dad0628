"""A training of some length does not grow, and the benchmark that says so would notice if it did."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "memory.py"


def trained(place: Path, *flags: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the figures of a run in a process of its own, which nothing else has filled."""
    command = [sys.executable, str(FILE), "--json", str(place / "figures.json"), *flags]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode in (0, 1), ended.stderr[-2000:]
    return ended.returncode, json.loads((place / "figures.json").read_text())


@pytest.mark.slow
def test_six_hundred_iterations_and_ten_validations_do_not_grow(tmp_path: Path) -> None:
    code, figures = trained(tmp_path, "--iterations", "600", "--validations", "10", "--warm-up", "180")
    assert figures["iterations"] == 600
    assert figures["growth"] < 0.03
    assert code == 0


@pytest.mark.slow
def test_a_leak_is_noticed(tmp_path: Path) -> None:
    leak = ("--leak", str(4 * 2**20))
    code, figures = trained(tmp_path, "--iterations", "80", "--validations", "4", "--warm-up", "40", *leak)
    assert figures["growth"] > 0.03
    assert code == 1

"""What the project says that it measured is what the files of the benchmark have."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BENCHMARK = ROOT / "benchmarks/adaptation"
PAGE = ROOT / "docs/results.md"


def test_the_page_of_results_is_written_from_the_files_in_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARK))
    try:
        assert import_module("report").main(["--write", str(tmp_path / PAGE.name)]) == 0
    finally:
        for file in BENCHMARK.glob("*.py"):
            sys.modules.pop(file.stem, None)
    assert (tmp_path / PAGE.name).read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", ["README.md", "docs/method.md"])
def test_each_line_of_figures_elsewhere_is_a_line_of_that_page(file: str) -> None:
    known = PAGE.read_text(encoding="utf-8").splitlines()
    told = [line for line in (ROOT / file).read_text(encoding="utf-8").splitlines()
            if line.startswith("|") and " dB, 0." in line]  # fmt: skip
    assert len(told) >= 4
    assert [line for line in told if line not in known] == []

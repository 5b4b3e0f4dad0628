"""What the project says that it measured is what the files of the benchmark have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/results.md"


def test_the_page_of_results_is_written_from_the_files_in_the_repository(tmp_path: Path) -> None:
    report = [sys.executable, "benchmarks/adaptation/report.py", "--write", str(tmp_path / PAGE.name)]
    subprocess.run(report, cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / PAGE.name).read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("file", ["README.md", "docs/method.md"])
def test_each_line_of_figures_elsewhere_is_a_line_of_that_page(file: str) -> None:
    known = PAGE.read_text(encoding="utf-8").splitlines()
    told = [line for line in (ROOT / file).read_text(encoding="utf-8").splitlines()
            if line.startswith("|") and " dB, 0." in line]  # fmt: skip
    assert len(told) >= 4
    assert [line for line in told if line not in known] == []

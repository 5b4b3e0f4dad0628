"""The benchmark of upscaling runs, compares, and would see a difference."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "benchmarks/upscale.py"]


def test_on_a_gpu_every_candidate_computes_fp32_as_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import upscale_candidates

    seen = []
    for name in upscale_candidates.CANDIDATES:
        monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
        monkeypatch.setitem(
            upscale_candidates.CANDIDATES, name, lambda setting: lambda x: seen.append(torch.backends.cudnn.allow_tf32)
        )
        monkeypatch.setattr(upscale_candidates, "requests", lambda: [])
        upscale_candidates.serve(name, upscale_candidates.Setting("tiny", "cpu", 0))
    assert seen == [False] * len(upscale_candidates.CANDIDATES)


@pytest.mark.slow
def test_a_tiny_run_finds_equal_results_and_writes_figures(tmp_path: Path) -> None:
    pytest.importorskip("spandrel")
    file = tmp_path / "figures.json"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*COMMAND, "--tiny", "--json", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "results are equal" in done.stdout
    figures = json.loads(file.read_text())["sizes"]["230"]
    assert set(figures) == {"untiled", "spandrel", "ours, full overlap", "tile loop"}
    for row in figures.values():
        assert row["megabytes"] > 1
        assert row["faster than"]["untiled"][1] <= row["faster than"]["untiled"][0]
    # 230 x 230 pixels in four tiles: cut with too little around them they would not be equal
    assert figures["ours, full overlap"]["megabytes"] < figures["untiled"]["megabytes"]


def test_a_difference_ends_with_1(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import upscale

    row = dict.fromkeys(("megapixels per second", "megabytes", "megabytes beyond the image"), 1.0) | {"faster than": {}}
    for differs, code in ((0.0, 0), (1e-3, 1)):
        figures = {"untiled": {**row, "differs": 0.0}, "ours, full overlap": {**row, "differs": differs}}
        monkeypatch.setattr(upscale, "measure", lambda *_, figures=figures: figures)
        assert upscale.main(["--tiny"]) == code
    assert "differ from untiled: ['ours, full overlap']" in capsys.readouterr().out

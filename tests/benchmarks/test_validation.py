"""The benchmark of validation runs, compares, and fails where the two validations differ."""

from __future__ import annotations

import importlib.util
import json
import logging
import sys
from pathlib import Path
from types import ModuleType

import cv2
import pytest
import torch
from basicsr.utils.registry import ARCH_REGISTRY

FILE = Path(__file__).parents[2] / "benchmarks" / "validation.py"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(ARCH_REGISTRY, "_obj_map", dict(ARCH_REGISTRY._obj_map))
    monkeypatch.setattr(logging.getLogger("basicsr"), "level", logging.INFO)
    threads = cv2.getNumThreads()
    spec = importlib.util.spec_from_file_location("validation_benchmark", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    yield module
    cv2.setNumThreads(threads)


def test_at_a_tiny_size_it_finds_both_validations_equal(benchmark: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    assert benchmark.main(["--tiny", "--threads", "1", "--json", str(file)]) == 0
    figures = json.loads(file.read_text())
    assert figures["equal"] is True
    assert figures["differing_pictures"] == []
    assert figures["basicsr_over_ours"][", saving, without network"]["median"] > 0
    assert {"network", "BasicSR: niqe", "ours: niqe", "ours, saving"} <= set(figures["milliseconds_per_image"])


def test_another_value_is_a_failure(benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(benchmark.BASICSR, "psnr", lambda *_, **__: 30.0)
    assert benchmark.main(["--tiny", "--threads", "1"]) == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_the_device_it_says_so(benchmark: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main(["--device", "cuda"]) == 2
    assert "expected a CUDA device, found none" in capsys.readouterr().err

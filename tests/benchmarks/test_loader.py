"""The loader's benchmark compares like with like, and says so where storages differ."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from usrda_plugin.data import USRDADataset


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    yield import_module("loader")
    for name in ("loader", "feeding", "waiting", "rounds"):
        sys.modules.pop(name, None)


def test_its_storages_give_the_same_samples_and_all_are_timed(
    loader: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert loader.main(["--tiny", "--json", str(tmp_path / "figures.json"), "--workers", "0"]) == 0
    assert "all storages agree" in capsys.readouterr().out
    [figures] = json.loads((tmp_path / "figures.json").read_text()).values()
    assert len(figures) == 8
    assert all(figure["samples_per_second"]["median"] > 0 for figure in figures.values())
    assert figures[loader.REFERENCE]["over_basicsr"]["median"] == 1


def test_a_storage_with_other_samples_is_named(
    loader: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_set = loader.write_set

    def with_another_seed(*arguments: object) -> dict[str, object]:
        datasets = write_set(*arguments)
        other = datasets["LMDB of whole images, ppm"]
        assert isinstance(other, USRDADataset)
        other.seed = 1
        return datasets

    monkeypatch.setattr(loader, "write_set", with_another_seed)
    assert loader.main(["--tiny", "--workers", "0"]) == 1
    told = capsys.readouterr().out
    assert "LMDB of whole images, ppm: other samples than folder of PNG" in " ".join(told.split())
    assert "storages disagree" in told


@pytest.mark.slow
def test_it_tells_the_wait_in_a_real_training(
    loader: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert loader.main(["--wait", "--tiny", "--device", "cpu", "--json", str(tmp_path / "figures.json")]) == 0
    for figure in json.loads((tmp_path / "figures.json").read_text()).values():
        assert 0 < figure["wait_share_mean"] < 1
        assert figure["step_seconds"] > 0

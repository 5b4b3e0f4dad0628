"""A run that was killed and goes on ends as one that was never stopped: every bit of what it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.runner.training import tiny
from usrda_plugin.data import unpaired


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tiny.images(tmp_path)
    return tmp_path


def check(here: Path, monkeypatch: pytest.MonkeyPatch, changes: Any, *kills: int) -> Path:
    """Compare a run killed at these iterations with one that was not."""
    whole = tiny.train(here, changes).rename(here / "whole")
    for number, kill in enumerate(kills):
        tiny.train_killed(monkeypatch, kill, here, changes, auto_resume=number > 0)
    run = tiny.train(here, changes, auto_resume=True)
    expected, found = tiny.tensors(whole), tiny.tensors(run)
    assert expected.keys() == found.keys()
    assert [place for place in expected if found[place] != expected[place]] == []
    assert tiny.logged(run) == tiny.logged(whole)
    assert tiny.leftovers(run) == []
    return run


# in an epoch of five iterations: in its middle, at its end, at its beginning, before anything was saved
@pytest.mark.parametrize("kills", [(8,), (10,), (6,), (2,), (5, 8, 12)])
def test_killed_anywhere_a_run_ends_as_if_never_stopped(
    here: Path, monkeypatch: pytest.MonkeyPatch, kills: tuple[int, ...]
) -> None:
    check(here, monkeypatch, None, *kills)


SCHEDULES = {
    "MultiStepRestartLR": {"milestones": [4, 7], "gamma": 0.5, "restarts": [6], "restart_weights": [0.5]},
    "CosineAnnealingRestartLR": {"periods": [6, 6], "restart_weights": [1, 0.5], "eta_min": 1e-6},
}


@pytest.mark.parametrize("kind", SCHEDULES)
def test_every_schedule_goes_on_where_it_was(here: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    check(here, monkeypatch, {"train": {"scheduler": {"type": kind, **SCHEDULES[kind]}}}, 5)


def test_samples_that_were_used_are_not_decoded_again(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original, drawn = unpaired.draws, []
    monkeypatch.setattr(unpaired, "draws", lambda seed, number: drawn.append(number) or original(seed, number))
    tiny.train_killed(monkeypatch, 8, here)
    at_six = drawn.index(2 * 6 + 1)  # batches of two; the last sample of the epoch of eleven is never used
    del drawn[:]
    tiny.train(here, auto_resume=True)
    assert at_six > 0
    assert drawn[:4] == [13, 14, 15, 16]

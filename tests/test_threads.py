"""When a run says that its threads have not the cores to themselves."""

from __future__ import annotations

import os

import pytest
import torch

from usrda_plugin import threads


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)


def loaded(monkeypatch: pytest.MonkeyPatch, load: float) -> str | None:
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 9.0, 9.0), raising=False)
    return threads.crowded_threads()


def test_cores_with_other_work_are_told_with_the_switch(monkeypatch: pytest.MonkeyPatch) -> None:
    told = loaded(monkeypatch, 2)
    assert told
    assert told.startswith("4 threads compute on 4 cores that have other work (load 2.0)")
    assert "OMP_NUM_THREADS=1" in told


def test_free_cores_one_thread_and_a_choice_of_the_user_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded(monkeypatch, 0.3) is None
    with monkeypatch.context() as chosen:
        chosen.setenv("OMP_NUM_THREADS", "4")
        assert loaded(chosen, 9) is None
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert loaded(monkeypatch, 9) is None


def test_a_system_that_knows_neither_its_load_nor_a_processs_cores_tells_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    assert loaded(monkeypatch, 4)
    monkeypatch.delattr(os, "getloadavg")
    assert threads.crowded_threads() is None

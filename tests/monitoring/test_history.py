"""The file of measurements, and the record of the best network."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from usrda_plugin.monitoring.history import Best, History, score


def gaps(*values: float) -> list[dict[str, float]]:
    return [{"iter": 10 * number, "style_distance": value} for number, value in enumerate(values, start=1)]


def test_a_measurement_is_a_line_of_json_and_nan_is_null(tmp_path: Path) -> None:
    history = History(tmp_path / "signals.jsonl", until=0)
    history.add({"iter": 10, "niqe": math.nan, "grid": 1.25})
    history.add({"iter": 20, "niqe": 5.5, "grid": math.inf})
    lines = (tmp_path / "signals.jsonl").read_text().splitlines()
    assert lines[0] == '{"iter": 10, "niqe": null, "grid": 1.25}'
    assert json.loads(lines[1]) == {"iter": 20, "niqe": 5.5, "grid": None}


def test_a_run_goes_on_behind_the_lines_up_to_its_iteration(tmp_path: Path) -> None:
    first = History(tmp_path / "signals.jsonl", until=0)
    for line in gaps(3, 2, math.nan, 1):
        first.add(line)
    again = History(tmp_path / "signals.jsonl", until=30)
    again.add({"iter": 40, "style_distance": 7.0})
    lines = [json.loads(line) for line in (tmp_path / "signals.jsonl").read_text().splitlines()]
    assert [(line["iter"], line["style_distance"]) for line in lines] == [(10, 3), (20, 2), (30, None), (40, 7)]
    assert [line["iter"] for line in again.measurements] == [10, 20, 30, 40]
    assert math.isnan(again.measurements[2]["style_distance"])


def test_a_run_from_the_start_begins_an_empty_file(tmp_path: Path) -> None:
    History(tmp_path / "signals.jsonl", until=0).add({"iter": 10})
    assert History(tmp_path / "signals.jsonl", until=0).measurements == []
    assert (tmp_path / "signals.jsonl").read_text() == ""


def test_a_line_that_a_crash_cut_off_is_dropped(tmp_path: Path) -> None:
    (tmp_path / "signals.jsonl").write_text('{"iter": 10, "grid": 1.0}\n{"iter": 20, "gr')
    history = History(tmp_path / "signals.jsonl", until=20)
    history.add({"iter": 30, "grid": 2.0})
    assert [json.loads(line)["iter"] for line in (tmp_path / "signals.jsonl").read_text().splitlines()] == [10, 30]


def test_the_score_is_the_mean_gap_of_the_last_three() -> None:
    assert score(gaps(9, 4, 5, 3)) == 4
    assert score(gaps(9)) == 9
    assert math.isnan(score([]))
    assert math.isnan(score(gaps(1, math.nan, 1)))
    assert math.isnan(score([{"iter": 10, "niqe": 5.0}]))


def test_a_collapsed_network_has_no_score_however_well_g_t_renders() -> None:
    sound, collapsed = ({"iter": 10, "style_distance": 0.5, "lr_consistency": levels} for levels in (7.9, 8.1))
    assert score([sound]) == 0.5
    assert math.isnan(score([sound, collapsed]))
    assert score([collapsed, sound]) == 0.5


def saved_at(tmp_path: Path, *values: float) -> list[int]:
    """The measurements after which the network is saved."""
    best, history, saved = Best(tmp_path / "best.json", resumed=False), gaps(*values), []
    for count in range(1, len(history) + 1):
        best.consider(history[:count], lambda count=count: saved.append(count))
    return saved


def test_the_best_network_is_saved_whenever_the_score_falls(tmp_path: Path) -> None:
    #                       scores: 9  6  6  4  nan  nan  nan  5  3
    assert saved_at(tmp_path, 9, 3, 6, 3, math.nan, 0, 6, 9, -6) == [1, 2, 4, 9]
    assert json.loads((tmp_path / "best.json").read_text()) == {
        "iter": 90, "score": 3, "signals": {"style_distance": -6},
    }  # fmt: skip


def test_the_record_survives_resuming_but_not_a_new_start(tmp_path: Path) -> None:
    assert saved_at(tmp_path, 5) == [1]
    resumed = Best(tmp_path / "best.json", resumed=True)
    assert not resumed.consider(gaps(5), lambda: pytest.fail("saved"))
    assert Best(tmp_path / "best.json", resumed=False).consider(gaps(8), lambda: None)


def test_a_network_that_cannot_be_saved_leaves_the_record_as_it_was(tmp_path: Path) -> None:
    assert saved_at(tmp_path, 5) == [1]

    def disk_full() -> None:
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space"):
        Best(tmp_path / "best.json", resumed=True).consider(gaps(2), disk_full)
    assert json.loads((tmp_path / "best.json").read_text())["score"] == 5

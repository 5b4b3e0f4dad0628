"""What a run's folder tells, whole or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from usrda_plugin.monitoring.alarms import ALARMS, DRIFT
from usrda_plugin.reports.run_record import alarms_of, read_run


def test_an_alarm_is_told_from_where_it_begins_to_where_it_is_over(run_folder: Path) -> None:
    record = read_run(run_folder)
    (alarm,) = record.alarms
    assert (alarm.name, alarm.begun, alarm.ended) == ("colour_drifting", 200, 400)
    assert "4.0 levels" in alarm.text  # the last that it said
    assert record.signals["style_distance"].y == (2, 1, 2 / 3, 0.5)
    assert "niqe" not in record.signals  # null is nothing to draw


def test_an_alarm_that_comes_again_is_another_one() -> None:
    drifts = [DRIFT + 1, 0, DRIFT + 2]
    measured = [
        {"iter": float(number), "colour_drift": drift, "lr_consistency": 0.0} for number, drift in enumerate(drifts)
    ]
    assert [(alarm.begun, alarm.ended) for alarm in alarms_of(measured)] == [(0, 1), (2, None)]
    assert set(ALARMS) >= {alarm.name for alarm in alarms_of(measured)}


@pytest.mark.parametrize(
    ("names", "final"),
    [
        (["net_g_latest.pth", "net_g_900.pth"], "net_g_latest.pth"),
        (["net_g_900.pth", "net_g_1000.pth"], "net_g_1000.pth"),
        (["net_g_best.pth"], "net_g_best.pth"),
        (["net_d_5.pth", "net_g_x.pth", "net_g_5.pth.part"], None),
    ],
)
def test_the_network_at_the_end_is_known_by_its_name(names: list[str], final: str | None, run_folder: Path) -> None:
    for name in names:
        (run_folder / "models" / name).touch()
    found = read_run(run_folder).final
    assert (found and found.name) == final


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [("mine.yml", "a: [", "no YAML"), ("mine.yml", "!!python/object/apply:os.system ['x']", "no YAML"),
     ("signals.jsonl", "[1]\n", "no measurements"), ("signals.jsonl", '{"iter": "x"}\n', "no measurements")],
)  # fmt: skip
def test_a_damaged_file_is_a_fault_and_the_rest_is_read(name: str, text: str, fault: str, run_folder: Path) -> None:
    (run_folder / name).write_text(text)
    record = read_run(run_folder)
    assert fault in record.faults[0]
    assert record.log.iterations == 1300


def test_a_folder_without_anything_of_a_run_is_none(tmp_path: Path) -> None:
    assert read_run(tmp_path) is None

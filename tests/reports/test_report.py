"""The page of a run, whatever its folder has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.reports.made import parsed
from usrda_plugin.errors import SetupError
from usrda_plugin.reports import Comparison, LeftOut, Scene, write_report

ALL = ["better", "camera", "gap", "training", "used", "use"]


def change(folder: Path, **changes: Any) -> None:
    """Change adapt.json."""
    file = folder / "adapt.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_sections_come_in_the_order_of_the_readers_questions(adapted_folder: Path, scenes: list[Scene]) -> None:
    page = parsed(write_report(adapted_folder, scenes=scenes))
    assert page.sections() == ALL
    assert [each["href"] for each in page.all("a")][1:] == [f"#{name}" for name in ALL]
    for text in ("my camera", "3 photographs", "NIKON D5500", "too small", "nearer by 75%", "what", "be careful",
                 "Alarm: colour drifting", "2 alarms rang", "Try a larger loss_weight", "from iteration 200",
                 "until 400", "Python",
                 "1.5 minutes", "usrda upscale --weights adapted.pth", "12", "held_out: psnr", "1,300 iterations",
                 "a <b>bold</b> warning (2 times)"):  # fmt: skip
        assert text in page.text, text


def test_a_run_of_basicsr_has_a_page_without_an_adaptation(run_folder: Path) -> None:
    page = parsed(write_report(run_folder))
    assert page.sections() == ["better", "gap", "training", "used", "use"]
    assert "No pictures here: there are no pictures to compare" in page.text
    assert "The folder holds no network" in page.text
    assert "type: SRVGGNetCompact" in page.text  # the option file


@pytest.mark.parametrize(
    ("gone", "sections"),
    [("*.log", ["better", "gap", "training", "used", "use"]), ("signals.jsonl", ["better", "training", "used", "use"]),
     ("*.yml", ["better", "gap", "training", "used", "use"])],
)  # fmt: skip
def test_a_section_without_data_is_left_out(gone: str, sections: list[str], run_folder: Path) -> None:
    next(run_folder.glob(gone)).unlink()
    assert parsed(write_report(run_folder)).sections() == sections


def test_an_adaptation_of_which_only_the_name_is_known_has_a_page(tmp_path: Path) -> None:
    (tmp_path / "adapt.json").write_text('{"name": "alone"}')
    page = parsed(write_report(tmp_path))
    assert page.sections() == ["better", "use"]
    assert "alone" in page.text


def test_facts_that_are_given_stand_over_those_of_the_file(adapted_folder: Path) -> None:
    page = parsed(write_report(adapted_folder, facts={"name": "renamed", "scale": None}))
    assert "renamed" in page.text
    assert "my camera" not in page.text


def test_what_a_comparison_left_out_is_listed_beside_what_training_did(adapted_folder: Path) -> None:
    page = parsed(write_report(adapted_folder, scenes=Comparison([], 0, (LeftOut("b.png", "cut off"),), ("why",))))
    assert "2 left out" in page.text
    assert "cut off" in page.text
    assert "No pictures here: why" in page.text


@pytest.mark.parametrize(
    "changes", [{"name": 3}, {"scale": "two"}, {"gap": {"before": {"a": "x"}}}, {"photographs": {"left_out": ["a"]}}]
)
def test_an_adapt_json_that_is_none_is_refused_by_its_key(changes: dict[str, Any], adapted_folder: Path) -> None:
    change(adapted_folder, **changes)
    with pytest.raises(SetupError, match=rf"adapt\.json: expected .*{next(iter(changes))}"):
        write_report(adapted_folder)
    assert not (adapted_folder / "report.html").exists()


@pytest.mark.parametrize("content", ["", "[]", "{"])
def test_an_adapt_json_that_is_no_json_is_refused(content: str, adapted_folder: Path) -> None:
    (adapted_folder / "adapt.json").write_text(content)
    with pytest.raises(SetupError, match=r"adapt\.json: expected"):
        write_report(adapted_folder)


def test_a_folder_that_adapt_json_names_elsewhere_is_not_read(adapted_folder: Path) -> None:
    inner = adapted_folder / "inner"
    inner.mkdir()
    (adapted_folder / "adapt.json").rename(inner / "adapt.json")
    change(inner, training={"folder": "../experiments/mine"})
    page = parsed(write_report(inner))
    assert "lies outside of this one and was not read" in page.text
    assert "held_out" not in page.text


def test_a_damaged_camera_is_said_and_the_page_is_written(adapted_folder: Path) -> None:
    (adapted_folder / "camera.json").write_text("{}")
    page = parsed(write_report(adapted_folder))
    assert page.sections() == ["notes", "better", "gap", "training", "used", "use"]
    assert re.search(r"camera\.json: .*expected", page.text)


def test_nan_in_the_gap_is_no_change(adapted_folder: Path) -> None:
    change(adapted_folder, gap={"before": {"a": None, "b": 0.0, "c": 1.0}, "after": {"a": 1.0, "b": 1.0, "d": 2.0}})
    page = parsed(write_report(adapted_folder))
    assert page.text.count("not measured") == 3
    assert page.text.count("farther") == 1


def test_a_measure_with_a_sign_is_nearer_where_it_comes_nearer_to_zero(adapted_folder: Path) -> None:
    change(adapted_folder, gap={"before": {"a": -4.0, "b": -1.0}, "after": {"a": 1.0, "b": -2.0}})
    page = parsed(write_report(adapted_folder))
    assert "nearer by 75%" in page.text
    assert "farther by 100%" in page.text


@pytest.mark.parametrize(("make", "found"), [(True, "found neither"), (False, "found nothing")])
def test_a_folder_of_no_run_is_refused(make: bool, found: str, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    if make:
        folder.mkdir()
    with pytest.raises(SetupError, match=found):
        write_report(folder)

"""A run may be repeated: its results are no inputs, and nothing but results is ever left out or replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from usrda_plugin.inference import Existing, Naming, exclude_outputs, list_images, plan_jobs


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    touch("p/a.png", "p/b.png", "p/deep/c.png")


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def plan(places: list[str], output: str, naming: Naming) -> dict[str, str]:
    images = exclude_outputs(list_images(places).images, Path(output), naming)
    return {job.source.as_posix(): job.target.as_posix() for job in plan_jobs(images, Path(output), naming).jobs}


RUNS = [
    (["p"], "p", "_x4"),
    (["./p"], "p/../p", "_x4"),
    (["p/*.png"], "p", "_x4"),
    (["p/**/*.png"], "p", "_x4"),
    (["p/a.png", "p/b.png"], "p", "_x4"),
    (["p/**/*.png"], "p/up", ""),
    (["p/**/*.png"], "p/up", "_x4"),
    (["p/**/*.png"], "p/deep/up", ""),
    (["p"], "out", ""),
]


@pytest.mark.parametrize(("places", "output", "suffix"), RUNS)
def test_a_second_run_finds_the_images_of_the_first(places: list[str], output: str, suffix: str) -> None:
    first = plan(places, output, Naming(suffix))
    assert len(first) >= 2
    touch(*first.values())
    assert plan(places, output, Naming(suffix, existing="skip")) == {}
    assert plan(places, output, Naming(suffix, existing="overwrite")) == first
    with pytest.raises(ValueError, match="say --skip-existing or --overwrite"):
        plan(places, output, Naming(suffix))


def test_results_given_one_by_one_are_no_inputs() -> None:
    touch("p/a_x4.png")
    again = plan(["p/a.png", "p/a_x4.png", "p/b.png"], "p", Naming("_x4", existing="skip"))
    assert again == {"p/b.png": "p/b_x4.png"}


@pytest.mark.parametrize("place", ["p", "p/*.png", "p/**/*.png"])
def test_a_result_is_not_upscaled_again_when_its_input_is_gone(place: str) -> None:
    touch("p/a_x4.png")
    Path("p/a.png").unlink()
    assert "p/a_x4.png" not in plan([place], "p", Naming("_x4", existing="skip"))
    # elsewhere it is an image as any other, and one that is given by its name is meant
    assert plan([place], "out", Naming("_x4"))["p/a_x4.png"] == "out/a_x4_x4.png"
    assert plan(["p/a_x4.png"], "p", Naming("_x4")) == {"p/a_x4.png": "p/a_x4_x4.png"}


@pytest.mark.parametrize("existing", ["refuse", "skip", "overwrite"])
def test_an_input_that_is_no_result_is_never_replaced(existing: Existing) -> None:
    touch("p/up/a.png", "q/a.png")
    naming = Naming(existing=existing)
    for places, output in ((["p"], "p"), (["p/**/*.png"], "p"), (["p", "q"], "q"), (["p", "p/up"], "p/up")):
        with pytest.raises(ValueError, match="would replace an input"):
            plan(places, output, naming)


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_nor_one_that_is_linked_under_the_name_of_a_result(link: object) -> None:
    link(Path("p/a.png").absolute(), "p/b_x4.png")  # type: ignore[operator]
    with pytest.raises(ValueError, match="would replace an input"):
        plan(["p"], "p", Naming("_x4", existing="overwrite"))


def test_only_folders_within_the_pattern_are_the_results() -> None:
    touch("p/deep/up/d.png")
    assert sorted(plan(["p/deep/**/*.png"], "p", Naming("_x4"))) == ["p/deep/c.png", "p/deep/up/d.png"]
    assert sorted(plan(["p/**/*.png"], "p", Naming("_x4"))) == ["p/a.png", "p/b.png", "p/deep/c.png", "p/deep/up/d.png"]

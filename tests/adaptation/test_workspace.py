"""The folder of an adaptation is new, or goes on with what it began."""

from __future__ import annotations

from pathlib import Path

import pytest

from usrda_plugin.adaptation.workspace import Workspace, name_of
from usrda_plugin.errors import SetupError

ARGUMENTS: dict[str, object] = {"photographs": "/photos", "scale": 2, "source": None, "seed": 0}


def begun(folder: Path, arguments: dict[str, object] = ARGUMENTS) -> Workspace:
    """A folder in which an adaptation has begun."""
    place = Workspace(folder, "a")
    with place.claimed(arguments):
        place.camera.touch()
    return place


def test_it_begins_once_and_then_goes_on(tmp_path: Path) -> None:
    place = Workspace(tmp_path / "runs/a", "a")
    assert not place.check(ARGUMENTS)
    assert not (tmp_path / "runs").exists()
    with place.claimed(ARGUMENTS):
        place.update(iterations=7, timing={"camera": 1.5})
        place.update(timing={"trial": 2.5})
    assert place.check(ARGUMENTS)
    with place.claimed(ARGUMENTS):
        assert place.read()["iterations"] == 7
        assert place.read()["timing"] == {"camera": 1.5, "trial": 2.5}


def test_other_arguments_are_refused_and_named_once_it_trains(tmp_path: Path) -> None:
    place = begun(tmp_path)
    (tmp_path / "experiments").mkdir()
    before = place.record.read_bytes()
    with (
        pytest.raises(SetupError, match=r"scale 2, now 4; source none, now /hr"),
        place.claimed({**ARGUMENTS, "scale": 4, "source": "/hr"}),
    ):
        pass
    assert place.record.read_bytes() == before
    assert place.camera.exists()


def test_a_network_that_is_done_is_kept_without_its_training(tmp_path: Path) -> None:
    place = begun(tmp_path)
    place.network.touch()
    with pytest.raises(SetupError, match="seed 0, now 1"):
        place.check({**ARGUMENTS, "seed": 1})


def test_after_a_dry_run_other_arguments_begin_anew(tmp_path: Path) -> None:
    place = begun(tmp_path)
    place.update(gap={"verdict": "old"}, iterations=3)
    other = {**ARGUMENTS, "scale": 4}
    with place.claimed(other):
        assert place.read() == {"name": "a", "arguments": other, "timing": {}}
        assert not place.camera.exists()


def test_two_at_once_are_kept_apart_and_the_second_leaves_all_as_it_is(tmp_path: Path) -> None:
    place = begun(tmp_path / "out")
    with place.claimed(ARGUMENTS):
        before = {file: file.stat().st_mtime_ns for file in place.folder.iterdir()}
        with (
            pytest.raises(SetupError, match=r"another usrda adapt is at work .*process \d+ on .*; wait for its end"),
            Workspace(place.folder, "a").claimed({**ARGUMENTS, "seed": 9}),
        ):
            pass
        assert {file: file.stat().st_mtime_ns for file in place.folder.iterdir()} == before
    with place.claimed(ARGUMENTS):
        pass


def test_what_cannot_begin_leaves_no_folder(tmp_path: Path) -> None:
    def begin() -> None:
        with Workspace(tmp_path / "runs/a", "a").claimed(ARGUMENTS):
            raise SetupError("no use")

    with pytest.raises(SetupError, match="no use"):
        begin()
    assert not list(tmp_path.iterdir())


def test_what_a_start_leaves_that_was_killed_at_once_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("{}")
    (tmp_path / ".adapt.json.unfinished").touch()
    begun(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["adapt.json", "camera.json"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(SetupError, match=r"cannot be written .*; name another folder"),
        Workspace(tmp_path / "file/out", "a").claimed(ARGUMENTS),
    ):
        pass


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("my photos", "my photos_x2"),
        ("é 写真 📷 #1 100%", "é 写真 📷 #1 100%_x2"),
        ("a\tb\udcff", "a_b__x2"),
        ("/", "photographs_x2"),
        ("x" * 250, "x" * 120 + "_x2"),
    ],
)
def test_it_is_named_by_the_folder_of_photographs(folder: str, name: str) -> None:
    assert name_of(Path("/photos") / folder, 2) == name


def test_basicsr_is_told_no_name_by_which_it_saves_more_often() -> None:
    assert Workspace(Path("/a"), "my debug photos").training == Path("/a/experiments/my de_bug photos")


def test_names_of_files_that_are_no_text_are_kept(tmp_path: Path) -> None:
    place = begun(tmp_path)
    place.update(photographs={"files": {"a\udcff.png": 1}})
    assert place.read()["photographs"]["files"] == {"a\udcff.png": 1}


def test_a_folder_with_other_things_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SetupError, match="which holds other things"):
        Workspace(tmp_path, "a").check(ARGUMENTS)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(SetupError, match="which holds other things"):
        Workspace(tmp_path / "mine.txt", "a").check(ARGUMENTS)


@pytest.mark.parametrize(
    "text", ["{", "[]", "\udcff", "{}", '{"arguments": 3, "timing": {}}', '{"arguments": {}, "timing": []}']
)
def test_a_damaged_record_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "adapt.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SetupError, match=r"adapt\.json: expected the record of an adaptation"):
        Workspace(tmp_path, "a").check(ARGUMENTS)

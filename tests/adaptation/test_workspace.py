"""The folder of an adaptation is new, or goes on with what it began."""

from __future__ import annotations

from pathlib import Path

import pytest

from usrda_plugin.adaptation.workspace import Workspace
from usrda_plugin.errors import SetupError

ARGUMENTS = {"photographs": "/photos", "scale": 2, "source": None, "seed": 0}


def test_it_begins_once_and_then_goes_on(tmp_path: Path) -> None:
    place = Workspace(tmp_path / "runs/a", "a")
    assert not place.claim(ARGUMENTS)
    place.update(iterations=7, timing={"camera": 1.5})
    place.update(timing={"trial": 2.5})
    assert place.claim(ARGUMENTS)
    assert place.read()["iterations"] == 7
    assert place.read()["timing"] == {"camera": 1.5, "trial": 2.5}


def test_other_arguments_are_refused_and_named(tmp_path: Path) -> None:
    place = Workspace(tmp_path, "a")
    place.claim(ARGUMENTS)
    before = place.record.read_bytes()
    with pytest.raises(SetupError, match=r"scale 2, now 4; source none, now /hr"):
        place.claim({**ARGUMENTS, "scale": 4, "source": "/hr"})
    assert place.record.read_bytes() == before


def test_a_folder_with_other_things_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SetupError, match="which holds other things"):
        Workspace(tmp_path, "a").claim(ARGUMENTS)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(SetupError, match="which holds other things"):
        Workspace(tmp_path / "mine.txt", "a").claim(ARGUMENTS)


@pytest.mark.parametrize("text", ["{", "[]", "\udcff"])
def test_a_damaged_record_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "adapt.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SetupError, match=r"adapt\.json: expected the record of an adaptation"):
        Workspace(tmp_path, "a").claim(ARGUMENTS)

"""What is to be upscaled and where to is settled before, and nothing of the user's is ever replaced unasked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from usrda_plugin.inference import Job, Naming, list_images, plan_jobs


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "a.JPG", "c.bmp", "notes.txt", "trip/a.jpg", "trip/deep/d.webp"):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return Path("photos")


def targets(places: list[str], naming: Naming = Naming(), output: str = "out") -> list[str]:  # noqa: B008
    return [job.target.as_posix() for job in plan_jobs(list_images(places).images, Path(output), naming).jobs]


@pytest.mark.parametrize(
    ("places", "found"),
    [
        (["photos"], ["out/a.JPG", "out/b.png", "out/c.png"]),
        (["photos/*.png"], ["out/b.png"]),
        (["photos/**/*.jpg"], ["out/trip/a.jpg"]),
        (["photos/**/*"], ["out/a.JPG", "out/b.png", "out/c.png", "out/trip/a.jpg", "out/trip/deep/d.webp"]),
        (["photos/trip/a.jpg", "photos/b.png"], ["out/a.jpg", "out/b.png"]),
        (["photos/b.png", "photos", "./photos/b.png"], ["out/b.png", "out/a.JPG", "out/c.png"]),
        (["photos/notes.txt"], ["out/notes.png"]),
    ],
)
def test_files_folders_and_patterns(photos: Path, places: list[str], found: list[str]) -> None:
    assert targets(places) == found


def test_names_follow_suffix_and_extension(photos: Path) -> None:
    assert targets(["photos"], Naming("_x4", "webp")) == ["out/a_x4.webp", "out/b_x4.webp", "out/c_x4.webp"]


@pytest.mark.parametrize(
    ("place", "fault", "message"),
    [
        ("nowhere", FileNotFoundError, "nowhere: expected an image, a folder or a pattern, found nothing"),
        ("photos/*.gif", ValueError, "found none that match this pattern"),
        ("empty", ValueError, "subfolders: give a pattern"),
    ],
)
def test_places_without_images_are_told(photos: Path, place: str, fault: type[Exception], message: str) -> None:
    Path("empty").mkdir()
    with pytest.raises(fault) as refusal:
        list_images([place])
    assert message in str(refusal.value)


@pytest.mark.parametrize("existing", ["refuse", "skip", "overwrite"])
def test_an_input_is_never_replaced(photos: Path, existing: object) -> None:
    with pytest.raises(ValueError, match=r"photos/b\.png would replace an input"):
        targets(["photos/b.png"], Naming(existing=existing), output="photos")  # type: ignore[arg-type]
    assert targets(["photos/b.png"], Naming("_x2"), output="photos") == ["photos/b_x2.png"]


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_nor_by_another_name(photos: Path, link: object) -> None:
    Path("out").mkdir()
    link(Path("photos/b.png").absolute(), "out/b.png")  # type: ignore[operator]
    with pytest.raises(ValueError, match="would replace an input"):
        targets(["photos"], Naming(existing="overwrite"))


def test_results_that_are_there_are_left_unless_asked(photos: Path) -> None:
    Path("out").mkdir()
    Path("out/b.png").touch()
    with pytest.raises(ValueError, match=r"found out/b\.png; say --skip-existing or --overwrite"):
        targets(["photos"])
    assert targets(["photos"], Naming(existing="skip")) == ["out/a.JPG", "out/c.png"]
    assert targets(["photos"], Naming(existing="overwrite")) == ["out/a.JPG", "out/b.png", "out/c.png"]


def test_two_inputs_never_share_a_result(photos: Path) -> None:
    (photos / "b.jpg").touch()
    assert len(targets(["photos"])) == 4
    with pytest.raises(ValueError, match=r"the same for photos/b\.png and photos/b\.jpg"):
        targets(["photos"], Naming(extension="png"))
    with pytest.raises(ValueError, match="the same for"):
        targets(["photos/a.JPG", "photos/trip/a.jpg"])


def test_a_job_is_two_paths(photos: Path) -> None:
    assert plan_jobs(list_images(["photos/b.png"]).images, Path("out"), Naming()).jobs == [
        Job(Path("photos/b.png"), Path("out/b.png"))
    ]

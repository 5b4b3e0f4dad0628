"""``usrda camera``: what it writes, what it says, what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from usrda_plugin.adaptation.camera import estimate_camera_of
from usrda_plugin.cli import usrda
from usrda_plugin.cli.commands import camera as arguments
from usrda_plugin.data import Camera, bundled_photographs
from usrda_plugin.data.camera_estimation import estimate_from_files

Capture = pytest.CaptureFixture[str]
ESTIMATE = ["camera", "estimate", "photos", "-o", "camera.json"]
APPLY = ["camera", "apply", "hr", "--camera", "camera.json", "--scale", "2", "-o", "lr"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: ``photos`` with two, one of them in a subfolder, and ``hr`` with three small images."""
    monkeypatch.chdir(tmp_path)
    for number, folder in enumerate(("photos", "photos/day 2")):
        Path(folder).mkdir()
        shown = cv2.imread(str(bundled_photographs()[number]))[:180, :200]
        assert cv2.imwrite(f"{folder}/{number}.png", cv2.GaussianBlur(shown, (0, 0), 1))
    for name in ("a.png", "b.jpg", "more/c.png"):
        Path("hr", name).parent.mkdir(exist_ok=True)
        image = np.random.default_rng(len(name)).integers(0, 256, (41, 50, 3), dtype=np.uint8)
        assert cv2.imwrite(f"hr/{name}", image)
    return tmp_path


@pytest.fixture
def camera_file(place: Path) -> Camera:
    """The camera in camera.json."""
    camera = Camera(np.pad(np.ones((1, 1), np.float32), 7), 5 / 255)
    camera.save("camera.json")
    return camera


def refused(line: list[str], capsys: Capture) -> str:
    """The one message of a command that fails, without the name of the program."""
    assert usrda.main(line) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert told[-1].startswith("usrda: ")
    return told[-1].removeprefix("usrda: ")


# estimate


def test_a_folder_becomes_the_file_of_its_camera(capsys: Capture) -> None:
    Path("photos/notes.txt").write_text("not a photograph")
    Path("photos/small.png").write_bytes(Path("hr/a.png").read_bytes()[:100])
    assert usrda.main([*ESTIMATE, "--seed", "3"]) == 0
    told = capsys.readouterr()
    photographs = [Path("photos/0.png"), Path("photos/day 2/1.png")]
    expected = estimate_from_files(photographs, bundled_photographs(), scale=2, seed=3).camera
    found = Camera.load("camera.json")
    assert found.kernel.tobytes() == expected.kernel.tobytes()
    assert (found.noise, found.origin) == (expected.noise, expected.origin)
    assert told.out.splitlines() == [
        f"camera.json: {found.describe()}",
        "  from 2 of 2 photographs, beside 6 that come with scikit-image, at scale 2",
    ]
    lines = told.err.splitlines()
    assert lines[0] == "left out: files of formats that are not read: 1 (1 .txt)"
    assert lines[1] == "1 image left out:"
    assert "photos/small.png" in lines[2]


def test_the_source_and_the_scale_are_the_user_s(capsys: Capture) -> None:
    shutil.copytree(bundled_photographs()[0].parent, "other", ignore=lambda folder, names: {*names} - {"coffee.png"})
    assert usrda.main([*ESTIMATE, "--source", "other", "--scale", "3"]) == 0
    expected = estimate_from_files(
        [Path("photos/0.png"), Path("photos/day 2/1.png")], [Path("other/coffee.png")], scale=3
    )
    assert Camera.load("camera.json").kernel.tobytes() == expected.camera.kernel.tobytes()
    assert "beside 1 of other, at scale 3" in capsys.readouterr().out


def test_from_python_a_list_and_a_folder_are_the_same() -> None:
    folder = estimate_camera_of("photos")
    listed = estimate_camera_of([Path("photos/0.png"), "photos/day 2"], bundled_photographs())
    assert folder.estimate.camera.kernel.tobytes() == listed.estimate.camera.kernel.tobytes()
    assert folder.source is None
    assert listed.source is not None


@pytest.mark.parametrize(
    ("name", "start"), [("camera.png", b"\x89PNG"), ("p/camera.svg", b"<?xml"), ("c.pdf", b"%PDF")]
)
def test_the_camera_is_drawn(name: str, start: bytes, capsys: Capture) -> None:
    assert usrda.main([*ESTIMATE, "--plot", name]) == 0
    assert Path(name).read_bytes().startswith(start)
    assert f"drawn in {name}" in capsys.readouterr().out


def test_nothing_that_is_there_is_replaced_unless_told(capsys: Capture) -> None:
    Path("camera.json").write_text("mine")
    Path("plot.png").write_text("mine too")
    message = "-o camera.json: expected no such file, found one; give another name, or --overwrite"
    assert refused(ESTIMATE, capsys) == message
    line = ["camera", "estimate", "photos", "-o", "other.json", "--plot", "plot.png"]
    assert refused(line, capsys).startswith("--plot plot.png: expected no such file")
    assert not Path("other.json").exists()
    assert Path("camera.json").read_text() == "mine"
    assert usrda.main([*ESTIMATE, "--plot", "plot.png", "--overwrite"]) == 0
    Camera.load("camera.json")
    assert Path("plot.png").read_bytes().startswith(b"\x89PNG")


def test_where_one_file_cannot_be_written_there_is_neither(capsys: Capture) -> None:
    Path("file").touch()
    refused([*ESTIMATE, "--plot", "file/plot.png"], capsys)
    assert not Path("camera.json").exists()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (["none", "-o", "c.json"], "none: expected an image, a folder or a pattern, found nothing of that name"),
        (["photos", "-o", "c.yml"], "-o c.yml: expected a name that ends in .json, found another"),
        (["photos", "-o", "photos"], "-o photos: expected a name that ends in .json"),
        (["photos", "-o", "c.json", "--plot", "c.gif"], "--plot c.gif: expected a name that ends in .png or .svg"),
        (["photos", "-o", "c.json", "--source", "none"], "none: expected an image"),
        (
            ["hr/a.png", "-o", "c.json", "--source", "hr"],
            "expected source images that can be read, of 72 pixels a side",
        ),
        (["even.png", "-o", "c.json"], "even.png: expected photographs of something, found even areas"),
    ],
)
def test_what_cannot_be_is_told_in_one_message(line: list[str], told: str, capsys: Capture) -> None:
    assert cv2.imwrite("even.png", np.full((90, 90, 3), 7, np.uint8))
    assert refused(["camera", "estimate", *line], capsys).startswith(told)
    assert not Path("c.json").exists()


@pytest.mark.parametrize("line", [["--scale", "5"], ["--seed", "-1"], ["--seed", "x"]])
def test_numbers_that_cannot_be_are_refused_before_anything_is_read(line: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        usrda.main([*ESTIMATE, *line])
    assert end.value.code == 2


# apply


def test_images_are_taken_by_the_camera(camera_file: Camera, capsys: Capture) -> None:
    Path("hr/notes.txt").write_text("no image")
    assert usrda.main(APPLY) == 0
    told = capsys.readouterr()
    assert told.out == "2 images made by camera.json into lr\n"
    assert "subfolders: 1 (--recursive searches them)" in told.err
    assert "1 .txt" in told.err
    assert sorted(file.name for file in Path("lr").iterdir()) == ["a.png", "b.png"]
    assert cv2.imread("lr/a.png").shape == (20, 25, 3)


def test_subfolders_keep_their_structure(camera_file: Camera) -> None:
    assert usrda.main([*APPLY, "--recursive"]) == 0
    assert Path("lr/more/c.png").is_file()


def test_the_same_name_and_seed_give_the_same_noise_beside_whatever_else(camera_file: Camera) -> None:
    assert usrda.main(APPLY) == 0
    first = Path("lr/a.png").read_bytes()
    Path("hr/0.png").write_bytes(Path("hr/a.png").read_bytes())
    assert usrda.main([*APPLY, "--recursive", "--overwrite"]) == 0
    assert Path("lr/a.png").read_bytes() == first
    assert Path("lr/0.png").read_bytes() != first
    assert usrda.main([*APPLY, "--overwrite", "--seed", "1"]) == 0
    assert Path("lr/a.png").read_bytes() != first


def test_results_that_are_there_stay_unless_told(camera_file: Camera, capsys: Capture) -> None:
    Path("lr").mkdir()
    Path("lr/a.png").write_text("mine")
    message = refused(APPLY, capsys)
    assert message == "expected no results in lr, found lr/a.png; say --skip-existing or --overwrite"
    assert sorted(file.name for file in Path("lr").iterdir()) == ["a.png"]
    assert usrda.main([*APPLY, "--skip-existing"]) == 0
    told = capsys.readouterr()
    assert "1 image skipped: their results are there" in told.err
    assert told.out.startswith("1 image made")
    assert Path("lr/a.png").read_text() == "mine"
    assert usrda.main([*APPLY, "--overwrite"]) == 0
    assert cv2.imread("lr/a.png") is not None


def test_images_are_not_replaced_by_their_own_results(camera_file: Camera, capsys: Capture) -> None:
    before = Path("hr/a.png").read_bytes()
    line = [*APPLY[:-1], "hr", "--overwrite"]
    assert "would replace an input" in refused(line, capsys)
    assert Path("hr/a.png").read_bytes() == before


def test_images_that_fail_are_named_and_the_others_made(camera_file: Camera, capsys: Capture) -> None:
    Path("hr/bad.png").write_text("no image")
    assert usrda.main(APPLY) == 2
    told = capsys.readouterr()
    assert told.out == "2 images made by camera.json into lr\n"
    assert "usrda: 1 of 3 images failed:\n  hr/bad.png: " in told.err


def test_a_camera_that_is_none_is_told_before_anything_is_made(capsys: Capture) -> None:
    assert refused(APPLY, capsys).startswith("camera.json: expected a camera's file, found nothing of that name")
    Path("camera.json").write_text(json.dumps({"format": "usrda-camera"}))
    assert refused(APPLY, capsys).startswith("camera.json: version: expected 1, found none")
    assert not Path("lr").exists()


def test_another_scale_than_the_estimate_s_is_told(camera_file: Camera, capsys: Capture) -> None:
    camera_file._replace(origin=camera_file.origin._replace(scale=4)).save("camera.json")
    assert usrda.main(APPLY) == 0
    assert "the camera was estimated at scale 4, not 2" in capsys.readouterr().err


# help


def test_the_examples_of_the_help_work(camera_file: Camera, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("camera.json").unlink()
    shutil.copytree(bundled_photographs()[0].parent, "datasets/source/HR", ignore=_all_but("coffee.png", "rocket.jpg"))
    shutil.copy("hr/a.png", "photo.png")
    lines = re.findall(r"^  usrda (.+)$", arguments.ESTIMATE + "\n" + arguments.APPLY, re.M)
    assert len(lines) == 4
    for number, line in enumerate(lines):
        extra = ["--overwrite"] if number == 1 else []  # the second example writes what the first has written
        assert usrda.main([*line.split(), *extra]) == 0
    assert len([*Path("datasets/source/LRx2").iterdir()]) == 2
    assert Path("small/photo.png").is_file()


def _all_but(*kept: str) -> Callable[[str, list[str]], set[str]]:
    return lambda folder, names: {*names} - {*kept}

"""What is to be upscaled and where to is settled before, and nothing of the user's is ever replaced unasked."""

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import pytest

from usrda_plugin.inference import Job, Naming, exclude_outputs, list_images, plan_jobs


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
        ("empty", ValueError, "found none in this folder"),
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


def test_results_that_would_meet_keep_their_format_and_no_other_name_changes(photos: Path) -> None:
    for name in ("b.jpg", "b.tif", "c.tif"):
        (photos / name).touch()
    names = ["out/a.JPG", "out/b.jpg", "out/b.png", "out/b.tif.png", "out/c.bmp.png", "out/c.tif.png"]
    assert targets(["photos"]) == names
    as_png = ["out/a_x2.png", "out/b.jpg_x2.png", "out/b_x2.png"]
    assert targets(["photos"], Naming("_x2", "png"))[:3] == as_png
    assert targets(["photos"], Naming(existing="skip")) == names
    renamed = plan_jobs(list_images(["photos"]).images, Path("out"), Naming()).renamed
    assert [job.source.name for job in renamed] == ["b.tif", "c.bmp", "c.tif"]


@pytest.mark.parametrize(
    ("names", "results"),
    [
        (["A.jpg", "a.JPG"], ["out/A.jpg", "out/a.JPG.JPG"]),
        (["e\u0301.png", "\u00e9.png"], ["out/e\u0301.png", "out/\u00e9.png.png"]),
        (["s.bmp", "s.bmp.png", "s.png"], ["out/s-2.png", "out/s.bmp.png", "out/s.png"]),
    ],
)
def test_nor_do_results_meet_where_case_or_accents_do_not_count(
    photos: Path, names: list[str], results: list[str]
) -> None:
    (photos / "odd").mkdir()
    for name in names:
        (photos / "odd" / name).touch()
    assert targets(["photos/odd"]) == results


def test_equal_names_of_several_places_are_numbered(photos: Path) -> None:
    assert targets(["photos/a.JPG", "photos/trip/a.jpg"], Naming("_x2")) == ["out/a_x2.JPG", "out/a.jpg_x2.jpg"]
    (photos / "deep").mkdir()
    (photos / "deep" / "b.png").touch()
    (photos / "deep" / "b.png.png").touch()
    assert targets(["photos/b.png", "photos/deep"]) == ["out/b.png", "out/b-2.png", "out/b.png.png"]


def test_subfolders_are_searched_once_whatever_links_there_are(photos: Path) -> None:
    (photos / "trip" / "up").symlink_to("..")
    (photos / "again").symlink_to("trip")
    (photos / "beside").symlink_to("../elsewhere")
    Path("elsewhere").mkdir()
    Path("elsewhere/e.png").touch()
    Path("photos/out").mkdir()
    Path("photos/out/a.JPG").touch()
    listing = list_images(["photos"], recursive=True)
    images = exclude_outputs(listing.images, Path("photos/out"), Naming())
    names = ["a.JPG", "b.png", "beside/e.png", "c.bmp", "trip/a.jpg", "trip/deep/d.webp"]
    assert [image.below.as_posix() for image in images] == names
    assert listing.left_out == {
        photos / "notes.txt": "format", photos / "again": "link", photos / "trip" / "up": "link"
    }  # fmt: skip


def test_what_is_left_out_of_a_folder_is_counted_with_its_reason(photos: Path) -> None:
    for name in ("._a.JPG", ".DS_Store", "x.HEIC", "y.heic"):
        (photos / name).touch()
    listing = list_images(["photos"])
    assert [image.file.name for image in listing.images] == ["a.JPG", "b.png", "c.bmp"]
    assert listing.reasons() == [
        "files of formats that are not read: 3 (2 .heic, 1 .txt)",
        "hidden: 2",
        "subfolders: 1 (--recursive searches them)",
    ]
    assert list_images(["photos/b.png"]).left_out == {}
    with pytest.raises(ValueError, match=r"found none that match .* left out: hidden: 1"):
        list_images(["photos/.*.JPG"])


def test_names_with_the_signs_of_patterns_mean_themselves(photos: Path) -> None:
    folder = photos / "trip [2024] *"
    folder.mkdir()
    for name in ("[a].png", "a.png"):
        (folder / name).touch()
    assert targets([f"{folder}/*.png"]) == ["out/[a].png", "out/a.png"]
    assert targets([f"{folder}/[a].png"]) == ["out/[a].png"]
    assert targets([str(folder), f"{folder}/../trip [2024] */a.png"]) == ["out/[a].png", "out/a.png"]


@pytest.mark.parametrize("given", ["photos", "photos/*", "photos/x.png"])
@pytest.mark.parametrize("kind", ["a named pipe", "a socket", "a device", "a folder"])
def test_what_is_no_file_is_a_fault_that_names_it(photos: Path, given: str, kind: str) -> None:
    file = photos / "x.png"
    if kind == "a named pipe":
        os.mkfifo(file)
    elif kind == "a device":
        file.symlink_to("/dev/zero")
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(file))
    else:
        file.mkdir()
    if (given, kind) == ("photos/x.png", "a folder"):
        return
    listing = list_images([given])
    assert listing.faults == {file: f"photos/x.png: expected an image file, found {kind}"}
    assert len(listing.images) == (0 if given == "photos/x.png" else 3)


def test_a_name_may_be_as_long_as_the_file_system_has_it_and_no_longer(photos: Path) -> None:
    (photos / "long").mkdir()
    (photos / "long" / ("\u00e9" * 125 + ".bmp")).touch()
    assert len(targets(["photos/long"])) == 1
    assert len(targets(["photos/long"], Naming("x"))) == 1
    with pytest.raises(ValueError, match=r"of at most 255 bytes.*rename the images, or give a shorter --suffix"):
        targets(["photos/long"], Naming("xx"))


@pytest.mark.parametrize("output", ["photos/b.png/sub", "photos/b.png.d"])
def test_a_place_that_takes_no_results_is_told_before(
    photos: Path, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**how: object) -> None:
        raise PermissionError(13, "Permission denied")

    if output.endswith(".d"):
        monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    with pytest.raises(ValueError, match=r"expected a folder .*; give another --output"):
        targets(["photos/b.png"], output=output)


def test_one_image_may_be_given_its_file(photos: Path) -> None:
    assert targets(["photos/c.bmp"], output="big.png") == ["big.png"]
    assert targets(["photos/c.bmp"], Naming(extension="jpg"), output="big.jpeg") == ["big.jpeg"]
    for places, naming, output in (
        (["photos"], Naming(), "big.png"),
        (["photos/b.*"], Naming(), "big.png"),
        (["photos/b.png", "photos/c.bmp"], Naming(), "big.png"),
        (["photos/b.png"], Naming(extension="webp"), "big.png"),
        (["photos/b.png"], Naming("_x2"), "big.png"),
        (["photos/b.png"], Naming(), "big.heic"),
    ):
        with pytest.raises(ValueError, match=rf"{output}: expected .*; give a folder \(big\)"):
            targets(places, naming, output)
    with pytest.raises(ValueError, match="would replace an input"):
        targets(["photos/b.png"], Naming(existing="overwrite"), "photos/b.png")
    Path("big.png").mkdir()
    assert targets(["photos/b.png"], output="big.png") == ["big.png/b.png"]


@pytest.mark.parametrize("suffix", ["a/b", "/"])
def test_a_suffix_is_part_of_a_name(photos: Path, suffix: str) -> None:
    with pytest.raises(ValueError, match="expected a part of a name as --suffix"):
        targets(["photos"], Naming(suffix))


def test_a_job_is_two_paths(photos: Path) -> None:
    assert plan_jobs(list_images(["photos/b.png"]).images, Path("out"), Naming()).jobs == [
        Job(Path("photos/b.png"), Path("out/b.png"))
    ]

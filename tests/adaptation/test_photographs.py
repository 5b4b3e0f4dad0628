"""Photographs of a folder: those that are used, and each of the others with its reason."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.adaptation.scenes import scene
from usrda_plugin.adaptation.found import Survey
from usrda_plugin.adaptation.photographs import survey
from usrda_plugin.errors import SetupError

MAKE, MODEL, ORIENTATION, ISO, LENS = 0x010F, 0x0110, 0x0112, 0x8827, 0xA434
NIKON = {MAKE: "NIKON CORPORATION", MODEL: "NIKON D5500"}
IPHONE = {MAKE: "Apple", MODEL: "iPhone X"}
LEAST = 64

Save = Callable[..., Path]


def kinds(found: Survey) -> dict[str, str]:
    """The kind of reason of each file that is left out."""
    return {found.name(one.path): one.kind for one in found.left_out}


def names(found: Survey) -> list[str]:
    """The files that are used."""
    return [found.name(one.path) for one in found.used]


def test_whole_photographs_of_all_subfolders_are_used_in_the_order_of_their_names(tmp_path: Path, save: Save) -> None:
    for number, name in enumerate(["b.jpg", "a/z.png", "a/deep/é ñ.JPG", "c d.tif", "10.jpg", "9.jpg"]):
        save(name, number)
    found = survey(tmp_path, least_side=LEAST)
    assert [one.path for one in found.used] == sorted(one.path for one in found.used)
    assert sorted(names(found)) == ["10.jpg", "9.jpg", "a/deep/é ñ.JPG", "a/z.png", "b.jpg", "c d.tif"]
    assert found.left_out == []
    assert {(one.height, one.width) for one in found.used} == {(160, 200)}
    assert survey(tmp_path, least_side=LEAST) == found


def test_each_photograph_is_left_out_for_its_own_reason(tmp_path: Path, save: Save) -> None:
    save("good.jpg", 1)
    whole = save("cut.jpg", 2).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.png").touch()
    save("small.png", np.full((LEAST - 1, 200, 3), 9, np.uint8))
    save("black.png", np.zeros((160, 200, 3), np.uint8))
    save("twice.png", cv2.resize(scene(3), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC))
    shutil.copy(tmp_path / "good.jpg", tmp_path / "zcopy.jpg")
    for name in ("raw.NEF", "phone.heic", "film.mov", "notes.txt", "._good.jpg", ".hidden/x.jpg", "@eaDir/good.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"whatever")
    found = survey(tmp_path, least_side=LEAST)
    expected = {
        "cut.jpg": "unreadable", "text.jpg": "unreadable", "empty.png": "unreadable", "small.png": "small",
        "black.png": "even", "twice.png": "enlarged", "zcopy.jpg": "copy", "raw.NEF": "raw", "phone.heic": "raw",
        "film.mov": "film", "notes.txt": "format", "._good.jpg": "hidden", ".hidden": "hidden",
        "@eaDir/good.jpg": "hidden",
    }  # fmt: skip
    assert kinds(found) == expected
    assert names(found) == ["good.jpg"]
    reasons = {found.name(one.path): one.reason for one in found.left_out}
    assert "cut off" in reasons["cut.jpg"]
    assert reasons["small.png"] == "200x63 pixels, where sides of 64 or more are needed"
    assert reasons["zcopy.jpg"] == "the same file as good.jpg"
    text = "\n".join(found.sentences())
    assert "export them as JPEG or TIFF" in text
    assert "cannot be read: 3" in text


def test_the_least_side_itself_is_enough_and_the_upright_sides_count(tmp_path: Path, save: Save) -> None:
    save("exact.png", scene(1, LEAST, 200))
    save("turned.jpg", scene(2, LEAST + 16, 200), exif={ORIENTATION: 6})
    found = survey(tmp_path, least_side=LEAST)
    assert {(one.height, one.width) for one in found.used} == {(LEAST, 200), (200, LEAST + 16)}
    with pytest.raises(SetupError, match="2 too small"):
        survey(tmp_path, least_side=LEAST + 17)


def test_gray_and_16_bit_photographs_are_used(tmp_path: Path, save: Save) -> None:
    save("gray.png", cv2.cvtColor(scene(1), cv2.COLOR_RGB2GRAY))
    cv2.imwrite(str(tmp_path / "deep.png"), scene(2).astype(np.uint16) * 257)
    assert names(survey(tmp_path, least_side=LEAST)) == ["deep.png", "gray.png"]


def test_copies_are_known_by_bytes_by_pixels_and_when_saved_anew_or_smaller(tmp_path: Path, save: Save) -> None:
    levels = scene(5)
    save("a.png", levels)
    save("sub/a.png", levels)
    save("pixels.tif", levels)
    save("resaved.jpg", levels, quality=70)
    save("half.png", cv2.resize(levels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    save("other.png", 6)
    found = survey(tmp_path, least_side=LEAST)
    assert Counter(kinds(found).values()) == {"copy": 4}
    assert len(found.used) == 2
    assert found.used[0].path.suffix != ".jpg"
    reasons = {found.name(one.path): one.reason for one in found.left_out}
    assert "saved anew" in reasons["resaved.jpg"]
    assert "saved anew" in reasons["half.png"]
    assert {reasons.get("a.png"), reasons.get("sub/a.png")} & {"the same file as a.png", None}


def test_of_copies_the_largest_is_kept(tmp_path: Path, save: Save) -> None:
    levels = scene(7)
    save("a.png", cv2.resize(levels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))
    save("b.jpg", levels, quality=60)
    save("c.jpg", levels, quality=95)
    assert names(survey(tmp_path, least_side=LEAST)) == ["c.jpg"]


def test_a_copy_that_exif_turns_is_a_copy(tmp_path: Path, save: Save) -> None:
    levels = scene(8)
    save("a.png", levels)
    save("b.png", np.ascontiguousarray(np.rot90(levels)), exif={ORIENTATION: 6})
    found = survey(tmp_path, least_side=LEAST)
    assert kinds(found) in ({"b.png": "copy"}, {"a.png": "copy"})
    assert "the same pixels as" in found.left_out[0].reason


def test_photographs_of_a_series_are_no_copies_of_each_other(tmp_path: Path, save: Save) -> None:
    large = np.concatenate([scene(9), scene(10)], axis=1)
    for number in range(4):
        save(f"{number}.png", np.ascontiguousarray(large[:, 6 * number : 6 * number + 200]))
    assert len(survey(tmp_path, least_side=LEAST).used) == 4


def test_photographs_by_fewer_cameras_are_left_out_and_counted(tmp_path: Path, save: Save) -> None:
    for number in range(4):
        save(f"n{number}.jpg", number, exif={**NIKON, ISO: 100 * 2**number, LENS: "35mm" if number else "50mm"})
    for number in range(2):
        save(f"i{number}.jpg", 10 + number, exif=IPHONE)
    save("unknown.jpg", 20)
    found = survey(tmp_path, least_side=LEAST)
    assert names(found) == ["n0.jpg", "n1.jpg", "n2.jpg", "n3.jpg", "unknown.jpg"]
    assert kinds(found) == {"i0.jpg": "camera", "i1.jpg": "camera"}
    assert found.cameras == {"NIKON D5500": 4, "Apple iPhone X": 2, "": 1}
    text = "\n".join(found.sentences())
    assert "cameras: 4 by NIKON D5500, 2 by Apple iPhone X, 1 by one that is not stated" in text
    assert "by NIKON D5500, 2 lenses, ISO 100 to 800" in text
    assert found.used[0].iso == 100
    assert found.used[0].lens == "50mm"


def test_without_exif_all_are_used_whoever_took_them(tmp_path: Path, save: Save) -> None:
    save("a.png", 1)
    save("b.png", 2)
    found = survey(tmp_path, least_side=LEAST)
    assert found.cameras == {"": 2}
    assert not any("cameras" in line for line in found.sentences())


def test_damaged_exif_is_no_reason(tmp_path: Path, save: Save) -> None:
    file = save("a.jpg", 1, exif=NIKON)
    content = bytearray(file.read_bytes())
    place = content.index(b"Exif\0\0") + 6
    content[place + 4 : place + 8] = b"\xff\xff\xff\xff"
    file.write_bytes(content)
    assert survey(tmp_path, least_side=LEAST).used[0].camera is None


def test_few_photographs_are_warned_about_and_many_are_not(tmp_path: Path, save: Save) -> None:
    for number in range(4):
        save(f"{number}.png", number)
    assert any(line.startswith("warning: 4 photographs") for line in survey(tmp_path, least_side=LEAST).sentences())
    save("5.png", 5)
    assert not any("warning" in line for line in survey(tmp_path, least_side=LEAST).sentences())


def test_where_all_are_left_out_the_reasons_and_remedies_are_told(tmp_path: Path, save: Save) -> None:
    (tmp_path / "a.nef").write_bytes(b"raw")
    (tmp_path / "b.CR2").write_bytes(b"raw")
    with pytest.raises(SetupError, match=r"2 raw or HEIC files; export them as JPEG or TIFF"):
        survey(tmp_path, least_side=LEAST)
    save("small.png", np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(SetupError, match=r"1 too small; .*2 raw"):
        survey(tmp_path, least_side=LEAST)


def test_an_empty_folder_and_a_missing_one_are_told(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="expected photographs, found no file"):
        survey(tmp_path, least_side=LEAST)
    with pytest.raises(SetupError, match="nowhere: expected"):
        survey(tmp_path / "nowhere", least_side=LEAST)
    with pytest.raises(SetupError, match="expected a folder of photographs"):
        survey([], least_side=LEAST)


def test_files_and_several_folders_may_be_given_and_each_photograph_counts_once(tmp_path: Path, save: Save) -> None:
    one = save("a/1.png", 1)
    save("b/2.png", 2)
    assert names(survey(one, least_side=LEAST)) == ["1.png"]
    found = survey([tmp_path / "a", tmp_path / "b", one], least_side=LEAST)
    assert names(found) == ["a/1.png", "b/2.png"]
    assert found.left_out == []


def test_links_that_lead_in_circles_or_nowhere_do_no_harm(tmp_path: Path, save: Save) -> None:
    save("a/1.png", 1)
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "lost.jpg").symlink_to(tmp_path / "gone.jpg")
    found = survey(tmp_path, least_side=LEAST)
    assert names(found) == ["a/1.png"]
    assert kinds(found) == {"lost.jpg": "unreadable"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_left_out(tmp_path: Path, save: Save) -> None:
    save("a.png", 1)
    save("b.png", 2).chmod(0)
    found = survey(tmp_path, least_side=LEAST)
    assert kinds(found) == {"b.png": "unreadable"}
    assert "Permission denied" in found.left_out[0].reason


def test_progress_is_told_file_by_file(tmp_path: Path, save: Save) -> None:
    for number in range(3):
        save(f"{number}.png", number)
    told: list[str] = []

    def progress(files: Sequence[Path]) -> Iterator[Path]:
        for file in files:
            told.append(f"{file.name} of {len(files)}")
            yield file

    survey(tmp_path, least_side=LEAST, progress=progress)
    assert told == ["0.png of 3", "1.png of 3", "2.png of 3"]


def test_what_is_kept_in_a_file_has_names_below_the_folder_and_counts(tmp_path: Path, save: Save) -> None:
    save("a.jpg", 1, exif=IPHONE)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "bad.jpg").write_bytes(b"\xff\xd8\xff")
    kept = json.loads(json.dumps(survey(tmp_path, least_side=LEAST).to_dict()))
    assert kept["folder"] == str(tmp_path)
    assert kept["used"] == 1
    assert kept["cameras"] == {"Apple iPhone X": 1}
    assert [one["file"] for one in kept["left_out"]] == ["sub/bad.jpg"]


def test_results_below_the_photographs_and_the_source_are_no_photographs(tmp_path: Path, save: Save) -> None:
    save("a.png", 1)
    save("runs/a_x2/crops/00.png", 2)
    save("hr/deep/b.png", 3)
    (tmp_path / "runs/a_x2/adapt.json").write_text("{}")
    (tmp_path / "runs/a_x2/adapt.yml").write_text("")
    found = survey(tmp_path, least_side=LEAST, source=tmp_path / "hr")
    assert names(found) == ["a.png"]
    assert kinds(found) == {"hr": "source", "runs/a_x2": "results"}
    assert names(survey(tmp_path / "runs/a_x2/crops", least_side=LEAST)) == ["00.png"], "named by the user"


def test_a_folder_is_named_as_the_user_names_it_and_its_subfolders_are_found_so(
    tmp_path: Path, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    save("photos/a.png", 1)
    save("photos/runs/x/crops/b.png", 2)
    (tmp_path / "photos/runs/x/adapt.json").write_text("{}")
    monkeypatch.chdir(tmp_path / "photos")
    for folder in (Path(), Path("../photos/"), tmp_path / "photos"):
        assert names(survey(folder, least_side=LEAST)) == ["a.png"]

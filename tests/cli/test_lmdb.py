"""``usrda lmdb``: what it makes, what it says, and its exit codes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from usrda_plugin.cli import usrda
from usrda_plugin.data import ImageSource

Capture = pytest.CaptureFixture[str]


def test_a_folder_becomes_an_lmdb_of_its_images(workshop: Path, capsys: Capture) -> None:
    assert usrda.main(["lmdb", "make", "--input", "hr", "--output", "made/hr.lmdb"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("made/hr.lmdb: 4 images, ")
    assert "100%" in told.err
    source = ImageSource.open(workshop / "made" / "hr.lmdb")
    assert source.entries == ["0", "1", "2", "3"]
    np.testing.assert_array_equal(source.read(2)[..., ::-1], cv2.imread(str(workshop / "hr" / "2.png")))


def test_tiles_encoding_and_list_are_as_asked_for(workshop: Path, capsys: Capture) -> None:
    (workshop / "two.txt").write_text("1.png\n3.png\n")
    line = ["lmdb", "make", "--input", "hr", "--output", "tiles.lmdb", "--meta-info", "two.txt"]
    assert usrda.main([*line, "--crop", "40", "--step", "16", "--encoding", "png", "--multiple", "8"]) == 0
    told = capsys.readouterr().out
    assert "tiles.lmdb: 18 entries, " in told
    assert "every patch of up to 25 pixels a side lies whole in one of the tiles" in told
    lines = (workshop / "tiles.lmdb" / "meta_info.txt").read_text().splitlines()
    assert lines[:2] == ["1_s001.png (40,40,3) 1", "1_s002.png (40,40,3) 1"]
    assert len(lines) == 18


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input", "nowhere", "--output", "a.lmdb"], "image folder nowhere does not exist"),
        (["--input", "hr", "--output", "a"], "must end in .lmdb, found a"),
        (["--input", "hr", "--output", "taken.lmdb"], "taken.lmdb already exists"),
        (["--input", "hr", "--output", "a.lmdb", "--crop", "0"], "crop must be at least 1 pixel, found 0"),
        (["--input", "hr", "--output", "a.lmdb", "--step", "9"], "found step 9 without crop"),
        (["--input", "hr", "--output", "hr.txt/a.lmdb"], "hr.txt"),
        (["--input", "hr", "--output", "a.lmdb", "--meta-info", "nowhere.txt"], "nowhere.txt does not exist"),
    ],
)
def test_what_is_wrong_is_told_in_one_message(
    arguments: list[str], message: str, workshop: Path, capsys: Capture
) -> None:
    (workshop / "taken.lmdb").mkdir()
    assert usrda.main(["lmdb", "make", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("usrda: ")
    assert message in told.err
    assert not (workshop / "a.lmdb").exists()


def test_unreadable_images_are_all_named_and_nothing_is_made(workshop: Path, capsys: Capture) -> None:
    for name in ("0.png", "3.png"):
        (workshop / "hr" / name).write_bytes(b"no image")
    assert usrda.main(["lmdb", "make", "--input", "hr", "--output", "hr.lmdb"]) == 2
    told = capsys.readouterr().err
    assert "hr/0.png" in told
    assert "hr/3.png" in told
    assert not list(workshop.glob("*hr*lmdb*"))


@pytest.fixture
def made(workshop: Path, capsys: Capture) -> Path:
    assert usrda.main(["lmdb", "make", "--input", "hr", "--output", "hr.lmdb"]) == 0
    capsys.readouterr()
    return workshop / "hr.lmdb"


def test_a_whole_lmdb_is_verified(made: Path, capsys: Capture) -> None:
    assert usrda.main(["lmdb", "verify", "hr.lmdb"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith(" MB, no fault")


def test_each_fault_is_a_line_and_the_exit_code_tells(made: Path, capsys: Capture) -> None:
    listing = made / "meta_info.txt"
    listing.write_text(listing.read_text().replace("1.ppm (64,", "1.ppm (65,") + "lost.png (64,64,3) 1\n")
    assert usrda.main(["lmdb", "verify", "hr.lmdb"]) == 2
    told = capsys.readouterr()
    faults = told.out.splitlines()
    assert len(faults) == 2
    assert "1 is 64x64, but meta_info.txt says 65x64" in faults[0]
    assert "'lost' is not in the LMDB hr.lmdb" in faults[1]
    assert "usrda: 2 faults in hr.lmdb; make it again" in told.err


def test_an_lmdb_that_is_not_there_is_a_fault(workshop: Path, capsys: Capture) -> None:
    assert usrda.main(["lmdb", "verify", "nowhere.lmdb"]) == 2
    told = capsys.readouterr()
    assert "data.mdb is missing" in told.out
    assert "1 fault in nowhere.lmdb" in told.err


@pytest.mark.parametrize("line", [["lmdb"], ["lmdb", "mend"], ["lmdb", "make", "--input", "hr"], ["lmdb", "verify"]])
def test_an_incomplete_line_ends_with_2(line: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        usrda.main(line)
    assert caught.value.code == 2


def test_tracebacks_may_be_asked_for_after_the_action(workshop: Path) -> None:
    line = ["lmdb", "make", "--input", "nowhere", "--output", "a.lmdb"]
    for debugged in ([*line, "--debug"], ["lmdb", "--debug", *line[1:]]):
        with pytest.raises(ValueError, match="nowhere does not exist"):
            usrda.main(debugged)

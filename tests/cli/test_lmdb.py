"""``usrda lmdb``: what it makes, what it says, and its exit codes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from usrda_plugin.cli import usrda
from usrda_plugin.data import ImageSource, USRDASourceDataset

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


def write_maps(folder: Path, name: str, number: int, places: np.ndarray) -> None:
    """An image whose red, green and blue are the HR row and column of a pixel, and the number of the image."""
    folder.mkdir(exist_ok=True)
    image = np.dstack([np.full_like(places[0], number), places[1], places[0]]).astype(np.uint8)
    assert cv2.imwrite(str(folder / name), image)


@pytest.fixture
def tiled_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Options of HR tiles with tiles of LR images that are every second pixel of them and have x2 in their names."""
    monkeypatch.chdir(tmp_path)
    for number, (height, width) in enumerate([(67, 61), (40, 84), (31, 28)]):  # the last fits into one tile
        places = np.mgrid[:height, :width]
        write_maps(tmp_path / "big", f"{number}.png", number, places)
        covered = places[:, : height - height % 2, : width - width % 2]
        write_maps(tmp_path / "small", f"{number}x2.png", number, covered[:, ::2, ::2])
    make = ["lmdb", "make", "--input"]
    hr = [*make, "big", "--output", "hr.lmdb", "--crop", "32", "--step", "20", "--multiple", "2"]
    assert usrda.main(hr) == 0
    assert usrda.main([*make, "small", "--output", "lr.lmdb", "--crop", "16", "--step", "10"]) == 0
    roots = {"dataroot_gt": "hr.lmdb", "dataroot_lq": "lr.lmdb", "filename_tmpl": "{}x2"}
    return {**roots, "scale": 2, "gt_size": 12, "use_hflip": False, "use_rot": False}


def test_tiles_of_given_pairs_are_paired_by_the_template_of_their_images(tiled_pairs: dict[str, Any]) -> None:
    dataset = USRDASourceDataset(tiled_pairs)
    assert len(dataset) == 9 + 8 + 1
    dataset.check_images()
    seen = set()
    for number in range(200):
        sample = dataset[number]
        np.testing.assert_array_equal(sample["gt"][:, ::2, ::2], sample["lq"])
        hr, lr = Path(sample["gt_path"]).name, Path(sample["lq_path"]).name
        assert lr == f"{hr[0]}x2{hr[1:]}"
        seen.add(hr)
    assert len(seen) == len(dataset)


def test_tiles_without_partner_are_told_with_the_remedy(tiled_pairs: dict[str, Any]) -> None:
    expected = r"lr\.lmdb lacks 18 images .*: 0x3_s001, .*filename_tmpl, now '\{\}x3' .* a_s001 with ax2_s001"
    with pytest.raises(FileNotFoundError, match=expected):
        USRDASourceDataset({**tiled_pairs, "filename_tmpl": "{}x3"})


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


# what a process does in the middle of making an LMDB, a line before it
IN_THE_MIDDLE = """
import sys, time
from usrda_plugin.data import images, make_lmdb

def read(self, index):
    print("at work", flush=True)
    time.sleep(60)

images.ImageSource.read = read
make_lmdb("hr", "hr.lmdb")
"""


@contextmanager
def at_work() -> Iterator[subprocess.Popen[str]]:
    """A process that makes hr.lmdb, and does not come to its end."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", IN_THE_MIDDLE], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "at work\n"
        try:
            yield process
        finally:
            process.kill()


def unfinished(folder: Path) -> list[Path]:
    return sorted(folder.glob(".*unfinished*"))


def test_what_a_killed_run_has_left_is_removed_by_the_next_which_says_so(workshop: Path, capsys: Capture) -> None:
    with at_work():
        [folder] = unfinished(workshop)
    assert unfinished(workshop) == [folder]
    assert usrda.main(["lmdb", "make", "--input", "hr", "--output", "hr.lmdb"]) == 0
    told = capsys.readouterr().out
    assert f"{folder.name}: removed; a run that was killed had left it unfinished" in told
    assert unfinished(workshop) == []
    assert sorted(path.name for path in (workshop / "hr.lmdb").iterdir() if path.name != "lock.mdb") == [
        "checksums.txt",
        "data.mdb",
        "meta_info.txt",
    ]


def test_the_folder_of_a_run_at_work_and_those_of_others_stay(workshop: Path, capsys: Capture) -> None:
    (workshop / ".hr-unfinished-notes").mkdir()
    (workshop / ".hr-unfinished-notes" / "mine.txt").write_text("mine")
    (workshop / ".other-unfinished-a").mkdir()
    with at_work() as process:
        before = unfinished(workshop)
        assert len(before) == 3
        assert usrda.main(["lmdb", "make", "--input", "hr", "--output", "hr.lmdb"]) == 0
        assert unfinished(workshop) == before
        assert process.poll() is None
    assert "removed" not in capsys.readouterr().out


def test_without_locks_an_unfinished_folder_is_told_and_stays(
    workshop: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse)
    (workshop / ".hr-unfinished-a" / "hr.lmdb").mkdir(parents=True)
    assert usrda.main(["lmdb", "make", "--input", "hr", "--output", "hr.lmdb"]) == 0
    assert "this file system cannot tell by whom" in capsys.readouterr().out
    assert [folder.name for folder in unfinished(workshop)] == [".hr-unfinished-a"]
    assert len(ImageSource.open(workshop / "hr.lmdb")) == 4


def test_a_refusal_leaves_no_unfinished_folder(workshop: Path) -> None:
    (workshop / "hr" / "0.png").write_bytes(b"no image")
    assert usrda.main(["lmdb", "make", "--input", "hr", "--output", "hr.lmdb"]) == 2
    assert unfinished(workshop) == []

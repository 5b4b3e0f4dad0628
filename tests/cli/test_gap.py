"""``usrda gap`` as a user meets it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.evaluation.tiles import add_noise, cut_tiles
from usrda_plugin.archs import USRDANet
from usrda_plugin.cli import usrda
from usrda_plugin.cli.commands import gap
from usrda_plugin.evaluation.measures import ROWS

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """hr/, photos/ with noise, camera_a/, camera_b/: four tiles each; net_g_latest.pth."""
    root, tiles = tmp_path_factory.mktemp("photographs"), cut_tiles()
    for number, name in enumerate(("hr", "photos", "camera_a", "camera_b")):
        (root / name).mkdir()
        for tile in range(4):
            image = add_noise(tiles[4 * tile + number], 8 * (name == "photos"))
            assert cv2.imwrite(str(root / name / f"{tile}.png"), image[..., ::-1])
    torch.manual_seed(0)
    network = USRDANet(2, "trunk", num_feat=8, num_block=1, num_grow_ch=4, num_block_lr_decoder=0)
    torch.save({"params": network.state_dict()}, root / "net_g_latest.pth")
    return root


@pytest.fixture
def here(photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory with links to the photographs and the weights; few draws, which take less time."""
    monkeypatch.chdir(tmp_path)
    for entry in photographs.iterdir():
        (tmp_path / entry.name).symlink_to(entry)
    monkeypatch.setattr("usrda_plugin.evaluation.gap.ROWS", tuple(row._replace(draws=3) for row in ROWS))
    return tmp_path


def run(*arguments: str) -> int:
    return usrda.main(["gap", "--source", "hr", "--target", "photos", *arguments])


@pytest.mark.parametrize("line", [line for line in gap.EXAMPLES.splitlines() if line.startswith("  usrda")])
def test_the_examples_of_the_help_run(line: str, here: Path, capsys: Capture) -> None:
    program, *arguments = shlex.split(line)
    assert program == "usrda"
    assert usrda.main(arguments) == 0
    told = capsys.readouterr()
    assert told.out.startswith(f"source {arguments[2]}: 4 photographs\ntarget {arguments[4]}: 4 photographs\n")
    assert "noise" in told.out
    assert ("encoder features" in told.out) == ("--weights" in arguments)
    assert told.err == ""


def test_numbers_and_picture_are_written_whole_and_are_those_that_are_printed(here: Path, capsys: Capture) -> None:
    assert run("-o", "gap.json", "--plot", "gap.png", "--seed", "3") == 0
    content = json.loads(Path("gap.json").read_text())
    assert content["seed"] == 3
    assert f"{content['measures']['noise']['value']:+.2f} levels" in capsys.readouterr().out
    assert cv2.imread("gap.png").shape[1] > 1000
    made = {"gap.json", "gap.png"}
    assert {file.name for file in here.iterdir() if not file.is_symlink()} == made


def test_a_file_that_is_there_stays_unless_it_may_be_replaced(here: Path, capsys: Capture) -> None:
    Path("gap.json").write_text("mine")
    assert run("-o", "gap.json", "--plot", "gap.png") == 2
    assert capsys.readouterr().err == (
        "usrda: gap.json: expected no such file yet, found a file; give another name, or --overwrite\n"
    )
    assert Path("gap.json").read_text() == "mine"
    assert not Path("gap.png").exists()
    assert run("-o", "gap.json", "--overwrite") == 0
    assert "measures" in json.loads(Path("gap.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "nowhere"], "nowhere: expected an image, a folder or a pattern, found nothing of that name"),
        (["--target", "empty"], "empty: expected images (.png"),
        (["--target", "small"], "small: expected colour photographs of at least 64 pixels a side, found none among 1"),
        (["--scale", "3"], "hr: expected colour photographs of at least 192 pixels a side, found none among 4"),
        (["--weights", "nowhere.pth"], "nowhere.pth"),
        (["--weights", "small/0.png"], "0.png"),
        (["-o", "gap.txt"], "gap.txt: expected a name that ends in .json, found another; write gap.json"),
        (["--plot", "gap.jpg"], "gap.jpg: expected a name that ends in .png, found another; write gap.png"),
        (["-o", "away/gap.json"], "away/gap.json: expected a folder away to write to, found none; make it first"),
        (["-o", "folder.json"], "folder.json: expected no such file yet, found a folder; give another name"),
    ],
)
def test_what_is_wrong_is_told_in_one_message(arguments: list[str], message: str, here: Path, capsys: Capture) -> None:
    for folder in ("empty", "small", "folder.json"):
        (here / folder).mkdir()
    assert cv2.imwrite("small/0.png", np.zeros((40, 90, 3), np.uint8))
    before = sorted(here.rglob("*"))
    assert run(*arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("usrda: ")
    assert message in told.err
    assert len(told.err.splitlines()) == 1
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize(
    "arguments", [["--scale", "0"], ["--scale", "two"], ["--seed", "-1"], ["--weights", ""], ["--fast"]]
)
def test_a_wrong_line_ends_with_2(arguments: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2

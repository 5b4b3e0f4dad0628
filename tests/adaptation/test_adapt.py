"""``usrda adapt``, from photographs to report, at a size for seconds."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from usrda_plugin.adaptation import adapt
from usrda_plugin.adaptation.starts import BUNDLED
from usrda_plugin.adaptation.workspace import Workspace
from usrda_plugin.archs.opening import open_network
from usrda_plugin.cli import usrda
from usrda_plugin.data.bundled import bundled_photographs
from usrda_plugin.data.camera import Camera
from usrda_plugin.data.resize import bicubic_downsample
from usrda_plugin.errors import SetupError
from usrda_plugin.options import load_options

MODULE = sys.modules["usrda_plugin.adaptation.preparation"]
FRONT = sys.modules["usrda_plugin.adaptation.adapt"]  # of which the package has the function of that name
NOISE = 0.03


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Six photographs by a camera with blur and noise; a copy, a small one and a text beside them."""
    folder = tmp_path / "my photos"
    (folder / "more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number, file in enumerate(bundled_photographs()):
        scene = cv2.imread(str(file)).astype(np.float32)[: 140 * 2, : 150 * 2] / 255
        lr = bicubic_downsample(cv2.GaussianBlur(scene, (0, 0), 1.5), 2)
        levels = ((lr + rng.normal(scale=NOISE, size=lr.shape)).clip(0, 1) * 255).round().astype(np.uint8)
        cv2.imwrite(str(folder / ("more" if number % 2 else "") / f"photo {number}.png"), levels)
    (folder / "z copy.png").write_bytes((folder / "photo 0.png").read_bytes())
    cv2.imwrite(str(folder / "small.png"), np.zeros((10, 10, 3), np.uint8))
    (folder / "notes.txt").write_text("no photograph")
    return folder


@pytest.fixture
def in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two iterations of small patches, whatever the budget is, and no networks through large photographs."""
    for name, value in {"FEWEST": 2, "MOST": 2, "PATCH": 64, "BATCH": 1, "CROPS": 2, "CROP": 48}.items():
        monkeypatch.setattr(MODULE, name, value)


@pytest.mark.usefixtures("in_seconds")
def test_photographs_become_a_network_a_camera_a_card_and_a_report(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    done = adapt(photographs, budget="1m", tell=said.append)
    assert done.folder == tmp_path / "runs/my photos_x2"
    record = json.loads((done.folder / "adapt.json").read_text())
    assert record["photographs"]["used"] == 6
    assert {one["file"] for one in record["photographs"]["left_out"]} == {"z copy.png", "small.png", "notes.txt"}
    assert any("6 photographs used" in sentence for sentence in said)
    assert record["gap"]["before"].keys() == record["gap"]["after"].keys()
    assert abs(done.camera.noise - NOISE) < 0.4 * NOISE
    assert Camera.load(done.folder / "camera.json").noise == done.camera.noise
    assert done.network is not None
    x = torch.rand(1, 3, 20, 24)
    adapted, start = open_network(done.network), open_network(BUNDLED[2])
    assert type(adapted).__name__ == "RRDBNet"
    assert adapted(x).shape == (1, 3, 40, 48)
    assert not torch.equal(adapted(x), start(x))
    assert "# my photos_x2" in done.network.with_suffix(".md").read_text()
    assert "<html" in (done.folder / "report.html").read_text()
    # done is done
    before = {file: file.stat().st_mtime_ns for file in (done.network, done.option_file, done.folder / "camera.json")}
    adapt(photographs, budget="1m", tell=said.append)
    assert {file: file.stat().st_mtime_ns for file in before} == before


@pytest.mark.usefixtures("in_seconds")
def test_a_dry_run_stops_after_an_option_file_that_basicsr_takes(
    photographs: Path, rrdbnet: Callable[[int], Path], tmp_path: Path
) -> None:
    said: list[str] = []
    done = adapt(
        photographs, start=rrdbnet(4), budget="1m", output=tmp_path / "out", dry_run=True, seed=5, tell=said.append
    )
    assert done.network is None
    options = load_options(done.option_file, is_train=True)
    assert options["manual_seed"] == 5
    assert options["scale"] == 4
    assert any(sentence.startswith("Training: 2 iterations") for sentence in said)
    assert not (tmp_path / "out/experiments").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: expected a folder of photographs"),
        (["my photos", "--budget", "soon"], "expected a time"),
        (["my photos", "--scale", "3"], "of scale 2 and 4, found 3"),
        (["my photos", "--from", "absent.pth"], "--from: .*absent.pth"),
        (["my photos", "--seed", "-1"], "as --seed, found -1"),
        (["my photos", "--source", "my photos"], "--source: expected clean HR photographs in a folder of their own"),
        (["my photos", "--source", "absent"], "--source: expected a folder"),
        (["my photos", "--source", "my photos/more"], "--source: .* pixels a side or more, found none"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_message_and_nothing_is_made(
    arguments: list[str],
    message: str,
    photographs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(MODULE, "PATCH", 512)
    before = sorted(tmp_path.rglob("*"))
    assert usrda.main(["adapt", *arguments]) == 2
    told = capsys.readouterr().err
    assert re.search(message, told)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("in_seconds")
def test_between_a_dry_run_and_the_next_all_may_change(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Photographs, arguments and the files of the folder: it measures anew, or says in a message what is wrong."""
    monkeypatch.setattr(MODULE, "seconds_per_iteration", lambda _file: 0.5)
    gap = SimpleNamespace(measures=(), verdict=lambda: "not measured here")
    monkeypatch.setattr(MODULE, "measure_gap", lambda *_arguments: gap)
    place, said = Workspace(tmp_path / "my photos/out", "my photos_x2"), list[str]()

    def again(budget: str = "1m") -> None:
        said.clear()
        adapt(photographs, budget=budget, output=place.folder, dry_run=True, tell=said.append)

    again()
    assert "That is longer than --budget: 2 iterations are the fewest that it trains." in said
    first = place.camera.read_bytes(), place.option_file.read_bytes()
    again()
    assert (place.camera.read_bytes(), place.option_file.read_bytes()) == first, "results are no photographs"
    assert any("folders of results of usrda adapt: 1" in sentence for sentence in said)
    (photographs / "photo 2.png").unlink()
    again()
    assert any(sentence.startswith("1 photograph added, removed or changed") for sentence in said)
    assert place.camera.read_bytes() != first[0]
    assert len(place.read()["photographs"]["files"]) == 5
    place.option_file.unlink()
    again()
    assert place.option_file.exists()
    again("2m")
    assert place.read()["arguments"]["budget"] == 120
    place.camera.write_text("{")
    with pytest.raises(SetupError, match=r"expected JSON.*; delete it, then the same command"):
        again("2m")
    place.camera.unlink()
    again("2m")
    (place.training / "models").mkdir(parents=True)
    (place.training / "models/net_g_2.pth").touch()
    again("2m")
    assert "Training: 2 iterations, done already." in said
    (photographs / "photo 4.png").unlink()
    with pytest.raises(SetupError, match=r"expected the photographs with which the training began, .*photo 4\.png"):
        again("2m")


@pytest.mark.usefixtures("in_seconds")
def test_photographs_that_vanish_while_it_looks_are_told_in_a_message(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = FRONT.survey

    def then_gone(*arguments: Any, **named: Any) -> Any:
        found = whole(*arguments, **named)
        for photograph in found.used:
            photograph.path.unlink()
        return found

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(FRONT, "survey", then_gone)
    assert usrda.main(["adapt", "my photos", "--dry-run"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_ctrl_c_says_that_the_same_command_goes_on(
    photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(*_arguments: object, **_named: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(MODULE, "record_inputs", interrupt)
    assert usrda.main(["adapt", "my photos"]) == 130
    assert "the same command goes on" in capsys.readouterr().out


KILLED = """
import sys
import usrda_plugin
usrda_plugin.register()
from usrda_plugin.adaptation import adapt
module = sys.modules["usrda_plugin.adaptation.preparation"]
module.FEWEST = module.MOST = 60
module.PATCH, module.BATCH, module.CROPS, module.CROP = 64, 2, 2, 48
adapt(sys.argv[1], budget="1m", output=sys.argv[2])
"""


@pytest.mark.slow
def test_killed_three_times_it_ends_the_same(photographs: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", KILLED, str(photographs)]
    subprocess.run([*words, str(tmp_path / "whole")], check=True, capture_output=True)
    place = Workspace(tmp_path / "killed", "my photos_x2")
    models = "experiments/my photos_x2/models"
    for at in ("camera.json", f"{models}/net_g_12.pth", f"{models}/net_g_36.pth"):
        process = subprocess.Popen([*words, str(place.folder)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (place.folder / at).exists():
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run([*words, str(place.folder)], check=True, capture_output=True)
    whole = Workspace(tmp_path / "whole", "my photos_x2")
    assert place.network.read_bytes() == whole.network.read_bytes()
    assert place.camera.read_bytes() == whole.camera.read_bytes()
    assert place.report.exists()

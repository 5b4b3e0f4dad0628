"""``usrda upscale`` as a user meets it."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from basicsr.archs.srvgg_arch import SRVGGNetCompact

from usrda_plugin.archs import USRDANet
from usrda_plugin.cli import basicsr, upscale, usrda
from usrda_plugin.inference import Failure, Report

USRDA: dict[str, Any] = {
    "type": "USRDANet", "scale": 2, "encoder": "trunk", "num_feat": 8, "num_block": 1, "num_grow_ch": 4,
    "num_block_lr_decoder": 0,
}  # fmt: skip
COMPACT: dict[str, Any] = {"type": "SRVGGNetCompact", "num_feat": 8, "num_conv": 1, "upscale": 2}


@pytest.fixture
def weights(workshop: Path) -> Path:
    """net.pth, a USRDANet of scale 2 that makes bright images, in the current directory beside hr/ and lr/."""
    torch.manual_seed(0)
    arguments = {name: value for name, value in USRDA.items() if name != "type"}
    save(USRDANet(**arguments))
    return Path("net.pth")


def save(network: torch.nn.Module) -> None:
    state = network.state_dict()
    last = [name for name in state if name.endswith("bias") and ("sr_decoder.conv_last" in name or "body" in name)][-1]
    state[last] += 0.3
    torch.save({"params": state}, "net.pth")


def run(*arguments: str) -> int:
    return usrda.main(["upscale", "--weights", "net.pth", "--device", "cpu", *arguments])


def test_a_folder_is_upscaled(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--input", "lr", "--output", "sr") == 0
    told = capsys.readouterr().err
    assert "net.pth below 'params': USRDANet x2, recognised by its weights; cpu, fp32, overlap 38" in told
    assert "4 images upscaled into sr" in told
    assert [cv2.imread(str(file)).shape for file in sorted(Path("sr").iterdir())] == [(64, 64, 3)] * 4


@pytest.mark.parametrize("network_g", [USRDA, COMPACT])
def test_results_are_those_of_basicsr_test(weights: Path, network_g: dict[str, Any]) -> None:
    if network_g is COMPACT:
        save(SRVGGNetCompact(num_feat=8, num_conv=1, upscale=2))
    options = {
        "name": "compare", "model_type": "SRModel", "scale": 2, "num_gpu": 0, "manual_seed": 0,
        "datasets": {"test": {"name": "photos", "type": "SingleImageDataset", "dataroot_lq": "lr",
                              "io_backend": {"type": "disk"}}},
        "network_g": network_g, "path": {"pretrain_network_g": "net.pth", "strict_load_g": True},
        "val": {"save_img": True, "suffix": None},
    }  # fmt: skip
    Path("test.yml").write_text(yaml.safe_dump(options))
    assert basicsr.main(["test", "-opt", "test.yml"]) == 0
    assert run("--input", "lr", "--output", "sr") == 0
    assert run("--input", "lr", "--output", "exact", "--precision", "exact") == 0
    for file in sorted(Path("sr").iterdir()):
        theirs = cv2.imread(f"results/compare/visualization/photos/{file.stem}_compare.png").astype(int)
        ours = cv2.imread(str(file)).astype(int)
        assert len(np.unique(theirs)) > 10
        assert np.array_equal(cv2.imread(f"exact/{file.name}"), theirs)
        # sums in another order: a value just between two levels may be rounded to the other
        assert np.abs(ours - theirs).max() <= 1
        assert (ours != theirs).mean() < 1e-3


def test_options_reach_the_engine(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["--input", "lr/0.png", "--output", "sr"]
    assert run(*line, "--precision", "bf16", "--overlap", "full", "--tile", "0", "--batch", "2", "--suffix", "_x2") == 0
    assert "cpu, bf16, whole images" in capsys.readouterr().err
    assert run(*line, "--overlap", "full", "--suffix", "_full") == 0
    assert "overlap 38" in capsys.readouterr().err
    assert run(*line, "--self-ensemble", "--ext", "webp") == 0
    assert sorted(file.name for file in Path("sr").iterdir()) == ["0.webp", "0_full.png", "0_x2.png"]


def test_the_network_may_come_from_an_option_file(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("base.yml").write_text(yaml.safe_dump({"network_g": USRDA}))
    Path("train.yml").write_text("_base_: base.yml\nname: run\n")
    assert run("--input", "lr", "--output", "sr", "--opt", "train.yml") == 0
    assert "as the option file says" in capsys.readouterr().err
    Path("empty.yml").write_text("name: run\n")
    assert run("--input", "lr", "--output", "sr2", "--opt", "empty.yml") == 2
    assert "empty.yml: expected a block network_g" in capsys.readouterr().err


def test_what_is_there_is_refused_skipped_or_replaced(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("sr").mkdir()
    Path("sr/1.png").write_text("mine")
    assert run("--input", "lr", "--output", "sr") == 2
    assert "say --skip-existing or --overwrite" in capsys.readouterr().err
    assert run("--input", "lr", "--output", "sr", "--skip-existing") == 0
    assert Path("sr/1.png").read_text() == "mine"
    assert len(list(Path("sr").iterdir())) == 4
    assert run("--input", "lr", "--output", "sr", "--skip-existing") == 0
    assert "nothing to do" in capsys.readouterr().err
    assert run("--input", "lr", "--output", "sr", "--overwrite") == 0
    assert cv2.imread("sr/1.png").shape == (64, 64, 3)


def test_results_among_the_inputs_are_left_out_and_told(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = ["--input", "lr", "--output", "lr", "--suffix", "_x2"]
    assert run(*line) == 0
    assert "left out" not in capsys.readouterr().err
    Path("lr/3_x2.png").unlink()
    Path("lr/0.png").unlink()
    assert run(*line, "--skip-existing") == 0
    told = capsys.readouterr().err
    assert "3 images left out: results, by name or place" in told
    assert "1 image upscaled" in told
    names = ["0_x2.png", "1.png", "1_x2.png", "2.png", "2_x2.png", "3.png", "3_x2.png"]
    assert sorted(file.name for file in Path("lr").iterdir()) == names


def test_a_damaged_image_ends_with_2_and_the_others_are_there(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("lr/2.png").write_bytes(Path("lr/2.png").read_bytes()[:500])
    assert run("--input", "lr", "--output", "sr") == 2
    told = capsys.readouterr().err
    assert "3 images upscaled" in told
    assert "usrda: 1 of 4 images failed:\n  lr/2.png: expected an image, found" in told
    assert sorted(file.name for file in Path("sr").iterdir()) == ["0.png", "1.png", "3.png"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["--input", "nowhere"], "nowhere: expected an image, a folder or a pattern"),
        (["--input", "lr", "--weights", "none.pth"], "none.pth: expected a file of weights"),
        (["--input", "lr", "--param-key", "params_ema"], "expected weights below 'params_ema', found 'params'"),
        (["--input", "lr", "--device", "cuda:99"], "expected a GPU for cuda:99"),
        (["--input", "lr", "--opt", "none.yml"], "cannot read none.yml"),
        (["--input", "lr", "--plugin", "no_such_module"], "no_such_module"),
        (["--input", "lr", "--output", "net.pth"], "net.pth: expected a folder for results, found a file"),
        (["--input", "lr", "--output", "lr"], "would replace an input"),
    ],
)
def test_faults_end_with_2_and_one_message(
    weights: Path, capsys: pytest.CaptureFixture[str], line: list[str], message: str
) -> None:
    assert run("--output", "sr", *line) == 2
    told = capsys.readouterr().err
    assert told.startswith("usrda: ")
    assert message in told
    assert not Path("sr").exists()


@pytest.mark.parametrize(
    "line",
    [
        ["--tile", "-4"],
        ["--overlap", "some"],
        ["--precision", "fp8"],
        ["--ext", "gif"],
        ["--quality", "0"],
        ["--quality", "101"],
        ["--output", ""],
    ],
)
def test_arguments_of_a_wrong_kind_end_with_2(weights: Path, line: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        run("--input", "lr", "--output", "sr", *line)
    assert caught.value.code == 2


def test_ctrl_c_ends_with_130(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **how: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(upscale, "upscale_files", interrupted)
    assert run("--input", "lr", "--output", "sr") == 130


def test_what_is_left_out_skipped_and_failed_is_told_and_counted(
    weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("lr/._0.png").touch()
    Path("lr/a.heic").touch()
    Path("lr/deep").mkdir()
    os.mkfifo("lr/pipe\x1b[31m.png")
    assert run("--input", "lr", "--output", "sr") == 2
    told = capsys.readouterr().err
    assert "left out: files of formats that are not read: 1 (1 .heic), hidden: 1, subfolders: 1 (--recursive" in told
    assert re.search(r"4 images upscaled into sr, in .* s; 3 left out, 1 failed", told)
    assert "usrda: 1 of 5 images failed:\n  lr/pipe\\x1b[31m.png: expected an image file, found a named pipe" in told
    assert run("--input", "lr", "--output", "sr", "--skip-existing") == 2
    assert "1 of 1 image failed" in capsys.readouterr().err
    Path("sr/2.png").unlink()
    assert run("--input", "lr", "--output", "sr", "--skip-existing", "--recursive") == 2
    assert re.search("1 image upscaled into sr, in .* s; 2 left out, 3 skipped, 1 failed", capsys.readouterr().err)


def test_results_named_apart_are_told(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("lr/0.bmp").write_bytes(Path("lr/0.png").read_bytes())
    assert run("--input", "lr", "--output", "sr") == 0
    assert "1 image named apart, as results would have met: lr/0.bmp as 0.bmp.png" in capsys.readouterr().err
    assert sorted(file.name for file in Path("sr").iterdir()) == ["0.bmp.png", "0.png", "1.png", "2.png", "3.png"]


def test_one_image_becomes_the_file_that_is_given(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--input", "lr/0.png", "--output", "new/big.jpg", "--quality", "50") == 0
    assert cv2.imread("new/big.jpg").shape == (64, 64, 3)
    assert run("--input", "lr", "--output", "big.png") == 2
    assert "big.png: expected one image by its name" in capsys.readouterr().err
    assert not Path("big.png").exists()


def test_quality_of_what_has_none_is_told(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--input", "lr/0.png", "--output", "sr", "--quality", "50") == 0
    assert "--quality changes nothing here" in capsys.readouterr().err


def test_an_interruption_says_how_to_go_on(
    weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(jobs: list[Any], *arguments: object, callbacks: Any, **how: object) -> None:
        callbacks.end(jobs[0], 7)
        raise KeyboardInterrupt

    monkeypatch.setattr(upscale, "upscale_files", interrupted)
    assert run("--input", "lr", "--output", "sr") == 130
    assert "1 of 4 images upscaled; go on with --skip-existing" in capsys.readouterr().err


def test_a_full_disk_says_how_to_go_on(
    weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(upscale, "upscale_files", lambda jobs, *a, **k: Report([Failure(jobs[0], "full")], jobs[1:]))
    assert run("--input", "lr", "--output", "sr") == 2
    told = capsys.readouterr().err
    assert "0 images upscaled" in told
    assert "lr/0.png: full\nthe disk is full, 3 images not begun; make room and go on with --skip-existing" in told

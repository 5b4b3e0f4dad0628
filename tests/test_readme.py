"""Every command of the README works as it is written, in its order, on folders laid out as the README says."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import entry_points
from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.torch import save_file

from usrda_plugin.adaptation import preparation
from usrda_plugin.archs import USRDANet

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")

SMALL = ["network_g:num_feat=8", "network_g:num_block=1", "datasets:train:gt_size=32", "num_gpu=0", "val:val_freq=100"]
SMALL += ["datasets:train:num_worker_per_gpu=0", "datasets:train:batch_size_per_gpu=2", "train:total_iter=2"]
USRDA = [*SMALL, "network_g:num_block_lr_decoder=1", "train:psnr_iter=1"]
CRITICS = [f"network_d_{name}:num_feat=4" for name in "fty"]
SHORTER = {
    "train_psnr.yml": [*SMALL, "train:scheduler:periods=[2]"],
    "train_psnr_x2.yml": [*SMALL, "train:scheduler:periods=[2]", "datasets:val:dataroot_lq=datasets/val/LRx2"],
    "train_usrda.yml": [*USRDA, *CRITICS, "network_d_f:num_in_ch=8"],
    "train_usrda_plus.yml": [*USRDA, "network_d_t:num_feat=4"],
    "train_usrda_x2.yml": [*USRDA, "network_d_t:num_feat=4", "datasets:val:dataroot_lq=datasets/val/LRx2"],
    "test_usrda.yml": [
        "network_g:num_feat=8",
        "network_g:num_block=1",
        "network_g:num_block_lr_decoder=1",
        "num_gpu=0",
    ],
}


def commands() -> list[list[str]]:
    """The words of each indented line that begins with a program we know."""
    lines = re.findall(r"^    ((?:git|make|pip|basicsr|usrda|torchrun|python)\b.*)$", README, flags=re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


def write(folder: Path, sizes: dict[str, tuple[int, int]]) -> None:
    folder.mkdir(parents=True)
    for seed, (name, size) in enumerate(sizes.items()):
        image = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{name}.png"), image)


@pytest.fixture
def laid_out(tmp_path, vgg_file, monkeypatch):
    """The folders of the README, the shipped options beside them, and VGG weights."""
    write(tmp_path / "datasets/source/HR", {"a": (144, 152), "b": (144, 144)})
    write(tmp_path / "datasets/target/LR", {"c": (40, 48)})
    write(tmp_path / "datasets/val/HR", {"d": (224, 240)})
    write(tmp_path / "datasets/val/LR", {"d": (56, 60)})
    write(tmp_path / "datasets/val/LRx2", {"d": (112, 120)})
    write(tmp_path / "photos", {"e": (72, 80)})
    write(tmp_path / "photos/holiday", {"f": (70, 76)})
    (tmp_path / "photos/holiday/f.png").rename(tmp_path / "photos/holiday/f.jpg")
    network = USRDANet(scale=4, encoder="trunk", num_feat=8, num_block=1, num_block_lr_decoder=1)
    save_file(network.state_dict(), tmp_path / "net_g.safetensors")
    (tmp_path / "options").symlink_to(ROOT / "options")
    monkeypatch.setenv("USRDA_VGG_WEIGHTS", str(vgg_file))
    for name in ("FEWEST", "MOST"):  # iterations of an adaptation, whatever the budget is
        monkeypatch.setattr(preparation, name, 2)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_basicsr_and_usrda_commands_run_one_after_the_other(laid_out):
    programs = {entry.name: entry.load() for entry in entry_points(group="console_scripts")
                if entry.name in ("basicsr", "usrda")}  # fmt: skip
    assert set(programs) == {"basicsr", "usrda"}
    ran = []
    for program, *arguments in [["usrda", "doctor"], *(words for words in commands() if words[0] in programs)]:
        named = arguments[arguments.index("-opt") + 1] if "-opt" in arguments else ""
        option_file = Path(named).name
        shorter = ["--force_yml", *SHORTER[option_file]] if program == "basicsr" else []
        assert programs[program]([*arguments, *shorter]) == 0, [program, *arguments]
        ran.append(option_file if program == "basicsr" else arguments[0])
    looked = ["adapt", "upscale", "camera", "gap"]
    trained = ["train_psnr.yml", "train_psnr_x2.yml", "train_usrda.yml", "train_usrda_plus.yml", "train_usrda_x2.yml"]
    again = ["train_usrda.yml"]  # it goes on
    assert ran == ["doctor", *looked, *trained, "test_usrda.yml", *again, "lmdb", "upscale", "upscale", "upscale"]
    assert (laid_out / "runs/photos_x2/report.html").is_file()
    assert {file.name for file in (laid_out / "enlarged").rglob("*.*")} == {"e.png"}
    assert list((laid_out / "results/test_usrda/visualization").rglob("*.png"))
    assert {file.name for file in (laid_out / "upscaled").rglob("*.*")} == {"e.png", "f.png"}
    assert {file.name for file in (laid_out / "large").rglob("*.*")} == {"e.png", "f.jpg"}
    assert (laid_out / "datasets/source_hr.lmdb/data.mdb").is_file()


def test_make_commands_are_targets_and_continuous_integration_runs_them():
    makefile, integration = (ROOT / "Makefile").read_text(), (ROOT / ".ci/run").read_text()
    targets = [words[1] for words in commands() if words[0] == "make"]
    assert targets == ["demo", "test"]
    assert all(re.search(rf"^{target}:", makefile, flags=re.MULTILINE) for target in targets)
    assert all(f"make {target}" in integration for target in targets)


def test_the_pip_lines_are_those_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    lines = [words[2:] for words in commands() if words[:2] == ["pip", "install"]]
    assert len(lines) == 3
    assert {"torch", "torchvision"} <= set(lines[0])
    assert "setuptools wheel torch torchvision" in makefile
    assert lines[1] == ["--no-build-isolation", "basicsr==1.4.2"]
    assert "--no-build-isolation basicsr" in makefile


def test_every_file_that_the_readme_speaks_of_exists():
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if not link.startswith("http")]
    patterns = [f"options/{name}" for name in re.findall(r"`((?:train|test|demo)_[\w*]+\.yml)`", README)]
    assert [link for link in links if not (ROOT / link).exists()] == []
    assert [pattern for pattern in patterns if not list(ROOT.glob(pattern))] == []

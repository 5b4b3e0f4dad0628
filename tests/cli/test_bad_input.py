"""What users get wrong: one message with the place and the remedy, exit code 2, nothing created, no traceback."""

from __future__ import annotations

import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from basicsr.utils.registry import ARCH_REGISTRY

from tests.usrda_options import SIX_TERMS
from usrda_plugin.cli.basicsr import main

Options = dict[str, Any]
Spoil = Callable[[], object]

CRITIC = {"type": "USRDADiscriminator", "num_feat": 4, "num_down": 1}
NETWORK = {"type": "USRDANet", "scale": 2, "encoder": "conv", "num_feat": 4, "num_block": 1, "num_grow_ch": 4}
PAIRS = {"type": "PairedImageDataset", "dataroot_gt": "hr", "dataroot_lq": "lr", "io_backend": {"type": "disk"}}
METRICS = {"psnr": {"type": "calculate_psnr", "crop_border": 2}}
TRAINING: Options = {
    "name": "run",
    "model_type": "USRDAModel",
    "scale": 2,
    "num_gpu": 0,
    "datasets": {
        "train": {
            "name": "both",
            "type": "USRDADataset",
            "dataroot_gt": "hr",
            "dataroot_target": "target",
            "gt_size": 32,
            "num_worker_per_gpu": 0,
            "batch_size_per_gpu": 2,
        },
        "val": {"name": "pairs", **PAIRS},
    },
    "network_g": NETWORK,
    "network_d_f": {**CRITIC, "num_in_ch": 4},
    "network_d_t": CRITIC,
    "network_d_y": CRITIC,
    "path": {},
    "train": {
        "total_iter": 2,
        "ema_decay": 0.9,
        "optim_g": {"type": "Adam", "lr": 1e-4},
        "optim_d": {"type": "Adam", "lr": 1e-4},
        "scheduler": {"type": "MultiStepLR", "milestones": [1], "gamma": 0.5},
        "pixel_opt": {"type": "L1Loss", "loss_weight": 1},
        **deepcopy(SIX_TERMS),
    },
    "val": {"val_freq": 10, "save_img": False, "metrics": METRICS},
    "logger": {"print_freq": 1, "save_checkpoint_freq": 10, "use_tb_logger": True},
}
TESTING: Options = {
    "name": "run",
    "model_type": "USRDAModel",
    "scale": 2,
    "num_gpu": 0,
    "datasets": {"test": {"name": "pairs", **PAIRS}},
    "network_g": NETWORK,
    "path": {"pretrain_network_g": "fine.pth"},
    "val": {"save_img": True, "suffix": None, "metrics": METRICS},
}


class Code:
    """Pickled, it is code that leaves a trace wherever it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("trace"),)


@pytest.fixture
def place(workshop: Path) -> Path:
    """The current directory: images in hr/, lr/ and target/, the files train.yml and test.yml, weights in fine.pth."""
    (workshop / "target").mkdir()
    for file in (workshop / "lr").iterdir():
        (workshop / "target" / file.name).write_bytes(file.read_bytes())
    save_weights("fine.pth")
    for name, options in (("train.yml", TRAINING), ("test.yml", TESTING)):
        (workshop / name).write_text(yaml.safe_dump(options, sort_keys=False))
    return workshop


def save_weights(file: str, **changes: Any) -> None:
    arguments = {key: value for key, value in {**NETWORK, **changes}.items() if key != "type"}
    weights = ARCH_REGISTRY.get("USRDANet")(**arguments).state_dict()
    torch.save({"params": weights, "params_ema": weights}, file)


def edit(**changes: Any) -> Spoil:
    """Change options of train.yml; ``a__b`` is the key b below a, and None takes a key out."""

    def spoil() -> None:
        options = yaml.safe_load(Path("train.yml").read_text())
        for path, value in changes.items():
            *above, key = path.split("__")
            block = options
            for step in above:
                block = block[step]
            block[key] = value
            if value is None:
                del block[key]
        Path("train.yml").write_text(yaml.safe_dump(options, sort_keys=False))

    return spoil


def write(file: str, content: bytes) -> Spoil:
    return lambda: Path(file).write_bytes(content)


def cut(file: str) -> Spoil:
    return lambda: Path(file).write_bytes(Path(file).read_bytes()[:-100])


def empty(folder: str) -> Spoil:
    return lambda: [file.unlink() for file in Path(folder).iterdir()]


def start_from(file: str, make: Spoil) -> Spoil:
    """Let the training start from a file of weights that ``make`` writes."""

    def spoil() -> None:
        make()
        edit(path__pretrain_network_g=file)()

    return spoil


def perceptual(**options: Any) -> Spoil:
    block = {"type": "USRDAPerceptualLoss", "layer_weights": {"conv5_4": 1}, **options}
    return edit(train__perceptual_opt=block)


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


# what is spoilt, and what the message must say: the place, what was found there, the remedy
TRAIN_FAULTS: dict[str, tuple[Spoil, tuple[str, ...]]] = {
    "W&B not installed": (
        edit(logger__use_tb_logger=True, logger__wandb={"project": "p"}),
        ("logger: wandb: project", "W&B cannot be used", "pip install wandb"),
    ),
    "source folder missing": (
        edit(datasets__train__dataroot_gt="nowhere"),
        ("datasets: train: dataroot_gt", "nowhere", "correct the path"),
    ),
    "target folder missing": (
        edit(datasets__train__dataroot_target="nowhere"),
        ("datasets: train: dataroot_target", "nowhere", "correct the path"),
    ),
    "target domain missing": (
        edit(datasets__train__dataroot_target=None),
        ("datasets: train: dataroot_target", "align, res, sty", "give a folder of target images"),
    ),
    "validation folder missing": (
        edit(datasets__val__dataroot_lq="nowhere"),
        ("datasets: val: dataroot_lq", "nowhere", "correct the path"),
    ),
    "LMDB missing": (edit(datasets__train__dataroot_gt="hr.lmdb"), ("datasets: train: dataroot_gt", "hr.lmdb")),
    "list of images missing": (edit(datasets__train__meta_info="none.txt"), ("meta_info", "none.txt")),
    "folder empty": (empty("target"), ("datasets: train: dataroot_target", "target", "no image")),
    "image smaller than a patch": (
        edit(datasets__train__gt_size=96),
        ("datasets: train: dataroot_gt", "64x64", "96x96", "choose a smaller gt_size"),
    ),
    "image unreadable": (write("target/2.png", b"no image"), ("dataroot_target", "2.png", "mend or remove")),
    "image of no bytes": (write("target/2.png", b""), ("dataroot_target", "2.png", "mend or remove")),
    "image truncated": (cut("hr/1.png"), ("datasets: train: dataroot_gt", "1.png", "mend or remove")),
    "validation image unreadable": (write("lr/0.png", b"no image"), ("datasets: val: dataroot_lq", "0.png")),
    "block misspelt": (edit(trian={}), ("trian", "did you mean 'train'?")),
    "key misspelt": (
        edit(train__optim_g__weight_deacy=0),
        ("train: optim_g: weight_deacy", "did you mean 'weight_decay'?"),
    ),
    "optional key misspelt": (edit(train__ema_dekay=0.5), ("train: ema_dekay", "did you mean 'ema_decay'?")),
    "term misspelt": (edit(train__stly_opt={"loss_weight": 1}), ("train: stly_opt", "did you mean 'sty_opt'?")),
    "argument misspelt": (edit(network_g__num_feats=8), ("network_g: num_feats", "did you mean 'num_feat'?")),
    "text for a number": (edit(train__total_iter="many"), ("train: total_iter", "'many'", "write a whole number")),
    "text for a rate": (edit(train__optim_g__lr="fast"), ("train: optim_g: lr", "'fast'")),
    "number for a flag": (edit(val__save_img=3), ("val: save_img", "3", "write true or false")),
    "unknown network": (edit(network_g__type="USRDANett"), ("network_g: type", "did you mean 'USRDANet'?")),
    "unknown critic": (edit(network_d_t__type="Discriminator"), ("network_d_t: type", "'Discriminator'")),
    "unknown loss": (edit(train__res_opt__type="L11Loss"), ("train: res_opt: type", "did you mean 'L1Loss'?")),
    "unknown data set": (
        edit(datasets__train__type="USRDADatset"),
        ("datasets: train: type", "did you mean 'USRDADataset'?"),
    ),
    "unknown metric": (
        edit(val__metrics__psnr__type="calculate_pnsr"),
        ("val: metrics: psnr: type", "did you mean 'calculate_psnr'?"),
    ),
    "unknown model": (edit(model_type="USRDAModell"), ("model_type", "did you mean 'USRDAModel'?")),
    "unknown optimizer": (edit(train__optim_g__type="Adamm"), ("train: optim_g: type", "did you mean 'Adam'?")),
    "unknown schedule": (edit(train__scheduler__type="StepLR"), ("train: scheduler: type", "StepLR")),
    "unknown encoder": (edit(network_g__encoder="trunck"), ("network_g: encoder", "did you mean 'trunk'?")),
    "scale of the network": (
        edit(network_g__scale=4),
        ("network_g: scale", "network_g enlarges 4 times", "scale is 2", "set scale: 2 here"),
    ),
    "scale that no network has": (edit(scale=5, network_g__scale=5), ("scale", "5", "1, 2, 3 or 4")),
    "scale of the pairs": (
        edit(scale=4, network_g__scale=4, datasets__val__dataroot_gt="hr"),
        ("datasets: val: dataroot_lq", "scale"),
    ),
    "patch that the scale does not divide": (edit(datasets__train__gt_size=33), ("gt_size", "33", "2")),
    "critic missing": (edit(network_d_t=None), ("network_d_t", "the terms sty ask this critic", "add network_d_t")),
    "optimizer of the critics missing": (edit(train__optim_d=None), ("train: optim_d", "add optim_d")),
    "no term": (
        edit(**{f"train__{term}_opt": None for term in ("align", "rec", "res", "sty", "idt", "cyc")}),
        ("train: rec_opt", "no term of USR-DA has a weight", "add at least rec_opt"),
    ),
    "critic of another width": (edit(network_d_f__num_in_ch=64), ("network_d_f: num_in_ch", "64", "4")),
    "weights missing": (
        edit(path__pretrain_network_g="none.pth"),
        ("path: pretrain_network_g", "none.pth", "correct the path"),
    ),
    "weights of an encoder missing": (
        edit(path__pretrain_network_g_encoder="none.pth"),
        ("path: pretrain_network_g_encoder", "none.pth", "correct the path"),
    ),
    "weights of another width": (
        start_from("other.pth", lambda: save_weights("other.pth", num_feat=8)),
        ("path: pretrain_network_g", "other.pth", "other shape", "change network_g"),
    ),
    "weights of another kind": (
        start_from("other.pth", lambda: save_weights("other.pth", encoder="trunk", scale=4)),
        ("path: pretrain_network_g", "other.pth", "missing", "change network_g"),
    ),
    "weights that are code": (
        start_from("code.pth", lambda: torch.save({"params": Code()}, "code.pth")),
        ("path: pretrain_network_g", "code.pth", "holds Python code", "save it again as plain tensors"),
    ),
    "weights that are a bare pickle with code": (
        start_from("code.pth", lambda: Path("code.pth").write_bytes(pickle.dumps({"params": Code()}, protocol=2))),
        ("path: pretrain_network_g", "code.pth", "holds Python code", "save it again as plain tensors"),
    ),
    "weights that are a newer pickle": (
        start_from("code.pth", lambda: Path("code.pth").write_bytes(pickle.dumps({"params": Code()}, protocol=4))),
        ("path: pretrain_network_g", "code.pth", "is not a file of weights", "saved by torch.save"),
    ),
    "weights truncated": (
        start_from("cut.pth", lambda: Path("cut.pth").write_bytes(Path("fine.pth").read_bytes()[:-500])),
        ("path: pretrain_network_g", "cut.pth", "get it again"),
    ),
    "weights that are text": (
        start_from("text.pth", write("text.pth", b"no weights\n")),
        ("path: pretrain_network_g", "text.pth", "saved by torch.save"),
    ),
    "state to resume missing": (
        edit(path__resume_state="none.state"),
        ("path: resume_state", "none.state", "correct the path"),
    ),
    "VGG nowhere and no network": (perceptual(), ("vgg19", "vgg_path", "$USRDA_VGG_WEIGHTS", "perceptual_opt")),
    "VGG not where it is said to be": (perceptual(vgg_path="vgg.pth"), ("perceptual_opt", "vgg.pth")),
    "VGG that is another network": (perceptual(vgg_path="fine.pth"), ("fine.pth", "vgg19")),
    "VGG that is no weights": (
        lambda: [write("vgg.pth", b"no weights\n")(), perceptual(vgg_path="vgg.pth")()],
        ("vgg.pth", "vgg19"),
    ),
    "batch larger than the set": (
        edit(datasets__train__batch_size_per_gpu=8),
        ("dataset_enlarge_ratio", "fewer than one batch", "set dataset_enlarge_ratio: 2"),
    ),
    "YAML broken": (write("train.yml", b"name: run\ntrain: {total_iter: 2\n"), ("train.yml", "line 3", "correct")),
    "YAML with a tab": (
        write("train.yml", b"name: run\ntrain:\n\ttotal_iter: 2\n"),
        ("train.yml", "line 3", "correct"),
    ),
    "YAML with Python objects": (
        write("train.yml", b"name: !!python/object/apply:os.system ['touch trace']\n"),
        ("train.yml", "line 1", "no Python objects"),
    ),
    "option file empty": (write("train.yml", b""), ("train.yml", "found nothing", "correct")),
    "base missing": (write("train.yml", b"_base_: none.yml\n"), ("_base_", "none.yml", "correct the path")),
}
TEST_FAULTS: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "weights missing": (["path:pretrain_network_g=none.pth"], ("path: pretrain_network_g", "none.pth", "correct")),
    "weights of another network": (["network_g:num_feat=8"], ("path: pretrain_network_g", "fine.pth", "other shape")),
    "folder missing": (
        ["datasets:test:dataroot_lq=nowhere"],
        ("datasets: test: dataroot_lq", "nowhere", "correct the path"),
    ),
    "data set missing": (["datasets:test=~"], ("datasets", "add")),
    "metric that needs truth": (
        ["datasets:test={name: set, type: SingleImageDataset, dataroot_lq: lr, io_backend: {type: disk}}"],
        ("val: metrics: psnr", "truth"),
    ),
    "data set that would be saved elsewhere": (
        ["datasets:test:name='../../evil'"],
        ("datasets: test: name", "'../../evil'", "another folder", "write a plain name"),
    ),
    "images that would be saved elsewhere": (["val:suffix='../x'"], ("val: suffix", "'../x'", "another folder")),
    "override misspelt": (["datasets:test:dataroot_ql=lr"], ("dataroot_ql", "did you mean 'dataroot_lq'?")),
    "override without a value": (["num_gpu"], ("num_gpu", "write block:key=value")),
    "more GPUs than there are": (["num_gpu=99"], ("num_gpu", "99")),
}


def check_refusal(
    command: list[str], expected: tuple[str, ...], place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(place)
    capfd.readouterr()
    assert main(command) == 2
    told = capfd.readouterr()
    assert told.out == ""
    assert told.err.startswith("basicsr: ")
    assert told.err.count("basicsr: ") == 1
    assert "Traceback" not in told.err
    assert [part for part in expected if part not in told.err] == [], told.err
    assert snapshot(place) == before


@pytest.mark.parametrize("fault", TRAIN_FAULTS)
def test_a_training_that_cannot_be_is_refused(
    fault: str, place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("there is no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setitem(sys.modules, "wandb", None)
    monkeypatch.setenv("TORCH_HOME", str(place / "torch"))
    monkeypatch.delenv("USRDA_VGG_WEIGHTS", raising=False)
    spoil, expected = TRAIN_FAULTS[fault]
    spoil()
    check_refusal(["train", "-opt", "train.yml"], expected, place, capfd)


@pytest.mark.parametrize("fault", TEST_FAULTS)
def test_a_test_that_cannot_be_is_refused(fault: str, place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    overrides, expected = TEST_FAULTS[fault]
    check_refusal(["test", "-opt", "test.yml", "--force_yml", *overrides], expected, place, capfd)


@pytest.mark.parametrize("file", ["none.yml", "hr", "fine.pth"])
def test_what_is_no_option_file_is_refused(file: str, place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    check_refusal(["train", "-opt", file], (file,), place, capfd)


def test_all_faults_are_told_at_once(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    edit(trian={}, train__total_iter="many", datasets__train__dataroot_gt="nowhere", network_d_y=None)()
    check_refusal(
        ["train", "-opt", "train.yml"], ("4 faults", "trian", "total_iter", "nowhere", "network_d_y"), place, capfd
    )


def test_what_is_spoilt_here_was_fine_before(place: Path) -> None:
    assert main(["train", "-opt", "train.yml"]) == 0
    assert main(["test", "-opt", "test.yml"]) == 0
    assert (place / "experiments" / "run" / "models" / "net_g_latest.pth").is_file()


def test_a_refusal_of_the_command_itself_as_a_module(place: Path) -> None:
    edit(trian={}, path__pretrain_network_g="none.pth")()
    before = snapshot(place)
    command = [sys.executable, "-m", "usrda_plugin", "train", "-opt", "train.yml"]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr.startswith("basicsr: train.yml: 2 faults")
    assert "Traceback" not in ended.stderr
    assert snapshot(place) == before

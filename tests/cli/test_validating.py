"""Validation and testing of BasicSR's own models through ``basicsr``: pictures, sizes, sets without ground truth."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
import yaml
from basicsr.archs import build_network
from basicsr.utils import tensor2img
from basicsr.utils.registry import METRIC_REGISTRY
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.cli.test_train_baselines import ADVERSARIAL, CRITIC
from usrda_plugin.cli.basicsr import main
from usrda_plugin.models import pictures
from usrda_plugin.models.pictures import picture_names

OptionFile = Callable[..., Path]

DISK = {"io_backend": {"type": "disk"}}
PAIRS: dict[str, Any] = {"name": "held_out", "type": "PairedImageDataset", **DISK}
PSNR = {"psnr": {"type": "calculate_psnr", "crop_border": 2, "test_y_channel": False}}
RRDB = {"type": "RRDBNet", "num_in_ch": 3, "num_out_ch": 3, "num_feat": 4, "num_block": 1, "num_grow_ch": 2}
NIQE = {"niqe": {"type": "calculate_niqe", "crop_border": 0, "better": "lower"}}

pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid:UserWarning")


def write_pair(root: Path, name: str, height: int, width: int, scale: int = 2) -> None:
    """Write noise to root/lr/NAME and its enlargement to root/hr/NAME."""
    seed = sum(name.encode())
    lr = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for folder, image in (("lr", lr), ("hr", lr.repeat(scale, 0).repeat(scale, 1))):
        file = root / folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(file), image)


def pairs(root: str, name: str, **more: Any) -> dict[str, Any]:
    return {**PAIRS, "name": name, "dataroot_gt": f"{root}/hr", "dataroot_lq": f"{root}/lr", **more}


def single(root: str, name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "SingleImageDataset", "dataroot_lq": root, **DISK, **more}


def test_file(workshop: Path, options: Path, *sets: dict[str, Any], **changes: Any) -> Path:
    """The options of a test of these sets by the network that the options train, with its fresh weights."""
    opt = yaml.safe_load(options.read_text())
    for key in ("train", "logger"):
        del opt[key]
    opt["datasets"] = {f"test_{number}": one for number, one in enumerate(sets)}
    opt["val"] = {"save_img": True, "suffix": None, "metrics": PSNR, **changes.pop("val", {})}
    opt = {**opt, "name": "tested", **changes, "path": {"pretrain_network_g": "fresh.pth"}}
    torch.manual_seed(0)
    torch.save({"params": build_network(dict(opt["network_g"])).state_dict()}, workshop / "fresh.pth")
    file = workshop / "options" / "test.yml"
    file.write_text(yaml.safe_dump(opt))
    return file


test_file.__test__ = False  # type: ignore[attr-defined]


def pictures_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def told_by(run: Path) -> str:
    return "".join(log.read_text() for log in sorted(run.glob("*.log")))


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"model_type": "ESRGANModel", "network_d": CRITIC, "train": ADVERSARIAL},
        pytest.param({"model_type": "RealESRGANModel", "high_order_degradation": False, "l1_gt_usm": False,
                      "percep_gt_usm": False, "gan_gt_usm": False, "network_d": CRITIC, "train": ADVERSARIAL},
                     marks=pytest.mark.slow),
    ],
    ids=["SRModel", "ESRGANModel", "RealESRGANModel"],
)  # fmt: skip
def test_pictures_of_several_sets_with_the_same_names_are_all_there(
    model: dict[str, Any], option_file: OptionFile, workshop: Path
) -> None:
    for root in ("one", "two"):
        for name in ("a.png", "b.png"):
            write_pair(workshop / root, name, 9, 7)  # sides that this network does not take
    sets = {f"val_{root}": pairs(root, root) for root in ("one", "two")}
    file = option_file(
        **{**model, "train": {**model.get("train", {}), "total_iter": 4}},
        network_g={**RRDB, "scale": 2},
        datasets={"val": single("one/lr", "zero"), **sets},
        val={"val_freq": 2, "save_img": True, "metrics": {"niqe": None}},
    )
    assert main(["train", "-opt", str(file)]) == 0
    assert pictures_below(workshop / "experiments/tiny/visualization") == sorted(
        f"{name}/{image}/{image}_{iteration}.png"
        for name in ("zero", "one", "two") for image in "ab" for iteration in (2, 4)
    )  # fmt: skip


@pytest.mark.parametrize("val_freq", [2, 3], ids=["in the loop too", "at the end alone"])
def test_a_training_tells_right_numbers_once(option_file: OptionFile, workshop: Path, val_freq: int) -> None:
    for root in ("one", "two"):
        write_pair(workshop / root, "a.png", 8, 8)
    file = option_file(
        # epochs of two iterations: BasicSR counts to 6 after the fourth
        datasets={"train": {"dataset_enlarge_ratio": 1}, "val": pairs("one", "one"), "val_2": pairs("two", "two")},
        train={"total_iter": 4},
        val={"val_freq": val_freq, "save_img": True},
        logger={"use_tb_logger": True},
    )
    assert main(["train", "-opt", str(file)]) == 0
    log = told_by(workshop / "experiments/tiny")
    validated = [val_freq, 4]
    assert log.count("Validation one\n") == log.count("Validation two\n") == 2
    assert {int(number) for number in re.findall(r"Best: \S+ @ (\S+) iter", log)} <= set(validated)
    assert len(re.findall(r"# niqe: nan\n", log)) == 4, "there is no best of what was never defined"
    assert re.findall(r"eta: (.+?), time", log)[-1] == "0:00:00"
    assert "-1 day" not in log
    assert "only* supported" not in log
    assert pictures_below(workshop / "experiments/tiny/visualization/one") == [f"a/a_{it}.png" for it in validated]
    scalars = steps(workshop / "tb_logger/tiny")
    assert scalars["metrics/one/psnr"] == scalars["metrics/two/psnr"] == validated
    assert scalars["losses/l_pix"] == [1, 2, 3, 4]


def steps(folder: Path) -> dict[str, list[int]]:
    """The steps of each scalar that TensorBoard shows of a run."""
    shown = EventAccumulator(str(folder))
    shown.Reload()
    return {tag: [event.step for event in shown.Scalars(tag)] for tag in shown.Tags()["scalars"]}


def test_what_a_resumed_run_logs_again_is_shown_once(option_file: OptionFile, workshop: Path) -> None:
    file = option_file(val={"val_freq": 2, "metrics": {"niqe": None}}, logger={"use_tb_logger": True})
    assert main(["train", "-opt", str(file), "--force_yml", "train:total_iter=6"]) == 0  # saved after 4
    assert main(["train", "-opt", str(file), "--auto_resume"]) == 0
    log = told_by(workshop / "experiments/tiny")
    assert len(re.findall(r"iter: +5, lr", log)) == 2
    scalars = steps(workshop / "tb_logger/tiny")
    assert scalars["losses/l_pix"] == list(range(1, 9))
    assert scalars["metrics/held_out/psnr"] == [2, 4, 6, 8]


@pytest.mark.parametrize("val_freq", [2, 3], ids=["in the loop", "after it"])
def test_a_finished_run_that_is_started_again_says_so_and_validates_no_more(
    option_file: OptionFile, workshop: Path, val_freq: int
) -> None:
    file = option_file(val={"val_freq": val_freq, "metrics": {"niqe": None}}, logger={"use_tb_logger": True})
    command = ["train", "-opt", str(file), "--auto_resume", "--force_yml", "train:total_iter=4"]  # saved after 4
    assert main(command) == main(command) == 0
    log = told_by(workshop / "experiments/tiny")
    assert log.count("Validation held_out\n") == 2
    assert log.count("Training was done already: checkpoint 4 is its last") == 1
    assert steps(workshop / "tb_logger/tiny")["metrics/held_out/psnr"] == [val_freq, 4]
    # other numbers are asked for
    assert main([*command, "val:metrics:psnr:crop_border=4"]) == 0
    assert told_by(workshop / "experiments/tiny").count("Validation held_out\n") == 3
    # and a run that goes on validates as ever
    assert main([*command[:-1], "train:total_iter=6"]) == 0
    assert told_by(workshop / "experiments/tiny").count("Validation held_out\n") == 4


NAMES = {
    "two formats": (["a.png", "a.bmp"], ["a.bmp_tested.png", "a.png_tested.png"]),
    "case": (["A.png", "a.png"], ["A.png_tested.png", "a.png_2_tested.png"]),
    "dots": (["a.1.png", "a.2.png"], ["a.1_tested.png", "a.2_tested.png"]),
    "folders": (["x/a.png", "y/a.png", "y/b.png"], ["b_tested.png", "x/a_tested.png", "y/a_tested.png"]),
    "folders and formats": (["x/a.png", "x/a.bmp", "y/a.png"],
                            ["x/a.bmp_tested.png", "x/a.png_tested.png", "y/a_tested.png"]),
}  # fmt: skip


@pytest.mark.parametrize(("names", "expected"), NAMES.values(), ids=NAMES)
def test_images_that_one_picture_would_have_are_kept_apart_and_all_counted(
    names: list[str],
    expected: list[str],
    option_file: OptionFile,
    workshop: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured: list[float] = []

    def calculate_shown(img: np.ndarray, **kwargs: object) -> float:
        measured.append(float(img.mean()))
        return measured[-1]

    monkeypatch.setattr(METRIC_REGISTRY, "_obj_map", {**METRIC_REGISTRY._obj_map, "calculate_shown": calculate_shown})
    for name in names:
        write_pair(workshop / "set", name, 8, 8)
    (workshop / "list.txt").write_text("".join(f"{name}\n" for name in names))
    listed = single("set/lr", "set", meta_info_file="list.txt")
    file = test_file(workshop, option_file(), listed, val={"metrics": {"shown": {"type": "calculate_shown"}}})
    assert main(["test", "-opt", str(file)]) == 0
    results = workshop / "results/tested"
    found = {name: cv2.imread(str(results / "visualization/set" / name)) for name in expected}
    assert pictures_below(results / "visualization/set") == sorted(expected)
    assert sorted(measured) == sorted(float(picture.mean()) for picture in found.values())
    assert len(set(measured)) == len(names)
    assert f"# shown: {np.mean(measured):.4f}" in told_by(results)


def test_keys_of_an_lmdb_that_differ_after_a_dot_are_kept_apart() -> None:
    assert picture_names(["cloud.1", "cloud.2", "sun"]) == ["cloud.1", "cloud.2", "sun"]
    assert picture_names(["../../evil", "x/../../evil"]) == ["evil", "x/evil"]
    assert picture_names([]) == []


def test_a_name_that_is_as_long_as_a_file_may_have_is_shortened_and_stays_its_own(
    option_file: OptionFile, workshop: Path
) -> None:
    for end in "ab":
        write_pair(workshop / "set", f"{'n' * 250}{end}.png", 8, 8)
    file = test_file(workshop, option_file(), pairs("set", "set"))
    assert main(["test", "-opt", str(file)]) == 0
    assert len(pictures_below(workshop / "results/tested/visualization/set")) == 2


SWIN = {"type": "SwinIR", "upscale": 2, "in_chans": 3, "img_size": 18, "window_size": 6, "img_range": 1.0,
        "depths": [2], "embed_dim": 6, "num_heads": [2], "mlp_ratio": 2, "upsampler": "pixelshuffledirect",
        "resi_connection": "1conv"}  # fmt: skip
SIDED: dict[str, tuple[str, dict[str, Any], int, int]] = {
    "RRDBNet, scale 2": ("SRModel", {**RRDB, "scale": 2}, 2, 2),
    "RRDBNet, scale 1": ("SRModel", {**RRDB, "scale": 1}, 1, 4),
    "SwinIR": ("SRModel", SWIN, 2, 6),
    "SwinIR by its own model": ("SwinIRModel", SWIN, 2, 6),
}


@pytest.mark.parametrize(("model", "network", "scale", "multiple"), SIDED.values(), ids=SIDED)
def test_an_image_may_have_any_side(
    model: str, network: dict[str, Any], scale: int, multiple: int, option_file: OptionFile, workshop: Path
) -> None:
    sizes = [(7, 9), (12, 13), (1, 5)]
    for height, width in sizes:
        write_pair(workshop / "set", f"{height}x{width}.png", height, width, scale)
    psnr = {"psnr": {**PSNR["psnr"], "crop_border": 0}}
    changes = {"model_type": model, "network_g": network, "scale": scale, "val": {"metrics": psnr}}
    assert main(["test", "-opt", str(test_file(workshop, option_file(), pairs("set", "set"), **changes))]) == 0
    net = build_network(dict(network)).eval()
    net.load_state_dict(torch.load("fresh.pth", weights_only=True)["params"])
    for height, width in sizes:
        lr = cv2.imread(f"set/lr/{height}x{width}.png")[..., ::-1].astype(np.float32) / 255
        whole = np.pad(lr, ((0, -height % multiple), (0, -width % multiple), (0, 0)), mode="reflect")
        with torch.no_grad():
            expected = tensor2img(net(torch.from_numpy(whole.transpose(2, 0, 1))[None]))
        found = cv2.imread(f"results/tested/visualization/set/{height}x{width}_tested.png")
        assert np.array_equal(found, expected[: height * scale, : width * scale])


def test_a_set_to_look_at_goes_beside_one_for_numbers(option_file: OptionFile, workshop: Path) -> None:
    write_pair(workshop / "set", "a.png", 8, 8)
    (workshop / "photos").mkdir()
    cv2.imwrite(str(workshop / "photos/a.png"), np.full((9, 9, 3), 200, np.uint8))
    sets = pairs("set", "numbers"), single("photos", "looks")
    file = option_file(
        datasets={"val": sets[0], "val_2": sets[1]}, train={"total_iter": 2}, val={"val_freq": 2, "save_img": True}
    )
    assert main(["train", "-opt", str(file)]) == 0
    log = told_by(workshop / "experiments/tiny")
    assert re.search(r"Validation numbers\n\t # psnr: \d+\.\d+\tBest.*\n\t # niqe: nan\n", log)
    assert log.count("Data set looks has no ground truth, so no psnr (val_2: SingleImageDataset).") == 1
    assert "Validation looks\n\t # niqe: nan\n\t # without ground truth, so without psnr\n" in log
    assert pictures_below(workshop / "experiments/tiny/visualization") == ["looks/a/a_2.png", "numbers/a/a_2.png"]
    assert main(["test", "-opt", str(test_file(workshop, file, *sets))]) == 0
    assert pictures_below(workshop / "results/tested/visualization") == ["looks/a_tested.png", "numbers/a_tested.png"]
    assert "Best" not in told_by(workshop / "results/tested"), "a test has one validation"


def no_room(self: Path, content: bytes) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_is_full_when_a_validation_saves_ends_the_training_in_a_message(
    option_file: OptionFile, workshop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = option_file(val={"val_freq": 6, "save_img": True, "metrics": {"niqe": None}})
    monkeypatch.setattr(pictures.Path, "write_bytes", no_room)
    assert main(["train", "-opt", str(file)]) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert re.search(r"held_out/\d/\d_6\.png: the picture could not be written: No space left on device; training"
                     r" stops, the checkpoint of iteration 4 is whole; .* --auto_resume", told)  # fmt: skip
    monkeypatch.undo()
    monkeypatch.chdir(workshop)
    assert main(["train", "-opt", str(file), "--auto_resume"]) == 0


def test_a_disk_that_is_full_when_a_test_saves_ends_it_in_a_message(
    option_file: OptionFile, workshop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_pair(workshop / "set", "a.png", 8, 8)
    monkeypatch.setattr(pictures.Path, "write_bytes", no_room)
    assert main(["test", "-opt", str(test_file(workshop, option_file(), pairs("set", "set")))]) == 1
    told = capsys.readouterr().err.splitlines()[-1]
    assert re.search(r"set/a_tested\.png: the picture could not be written: No space left on device; testing stops",
                     told)  # fmt: skip
    assert "checkpoint" not in told

"""The demo's camera, its groups of photographs, what it calls success, and what it writes down."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

FOLDER = Path(__file__).parents[1] / "demo"


@pytest.fixture(scope="module")
def demo():
    """The demo's modules, its command last, found as the command finds them."""
    modules, path = {}, [*sys.path]
    for name in ("photographs", "report", "record", "run"):
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        modules[name] = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(modules[name])
    yield modules
    sys.path[:] = path
    for name in modules:
        del sys.modules[name]


def test_no_scene_is_in_two_groups(demo):
    groups = demo["photographs"]
    names = [name.removesuffix("_right.png").removesuffix("_left.png") for group in
             (set(groups.SOURCE), set(groups.TARGET), set(groups.VALIDATION)) for name in group]  # fmt: skip
    assert len(set(names)) == len(names) - 1  # the two views of the motorcycle are both sources


def test_the_camera_blurs_and_adds_noise_and_does_so_alike_each_time(demo):
    camera = demo["photographs"].camera
    flat = np.full((64, 64, 3), 128, np.uint8)
    assert camera(flat, 3).shape == (32, 32, 3)
    assert np.array_equal(camera(flat, 3), camera(flat, 3))
    assert not np.array_equal(camera(flat, 3), camera(flat, 4))
    assert 128 * 0.98 < camera(flat, 3).mean() < 128 * 1.02
    assert 8 < camera(flat, 3).std() < 14  # 0.05 of 255, less what JPEG takes


def test_all_photographs_come_with_scikit_image(demo, tmp_path):
    demo["photographs"].write_photographs(tmp_path)
    sizes = {folder.name: [cv2.imread(str(file)).shape for file in sorted(folder.iterdir())]
             for folder in tmp_path.iterdir()}  # fmt: skip
    assert {name: len(files) for name, files in sizes.items()} == {
        "source_hr": 6, "target_lr": 5, "val_hr": 3, "val_lr": 3,
    }  # fmt: skip
    assert [(h // 2, w // 2, c) for h, w, c in sizes["val_hr"]] == sizes["val_lr"]


@pytest.mark.parametrize(
    ("psnr", "ssim", "code"), [(30.0, 0.8, 0), (27.9, 0.8, 1), (30.0, 0.6, 1), (float("nan"), 0.8, 1)]
)
def test_the_demo_fails_where_adaptation_does_not_help(demo, psnr, ssim, code):
    result = demo["report"].Result
    results = {
        "source-only": result({"psnr": 28.0, "ssim": 0.7}, []),
        "adapted": result({"psnr": psnr, "ssim": ssim}, []),
    }
    assert demo["report"].compare(Console(quiet=True), results) == code


def test_the_record_has_each_network_and_how_the_adapted_one_was_made(demo, tmp_path):
    result, weights = demo["report"].Result, tmp_path / "net.pth"
    weights.write_bytes(b"weights")
    results = {"bicubic": result({"psnr": 29.1234}, []), "adapted": result({"psnr": 30.5}, [], 600, 66.04)}
    demo["record"].write_record(tmp_path / "results.json", results, str(weights), "options/demo_usrda.yml")
    told = json.loads((tmp_path / "results.json").read_text())
    assert told["networks"] == {
        "bicubic": {"metrics": {"psnr": 29.1234}, "iterations": 0, "seconds": 0},
        "adapted": {"metrics": {"psnr": 30.5}, "iterations": 600, "seconds": 66.0},
    }
    assert told["weights"]["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert told["options"]["network_g"]["type"] == "USRDANet"  # of the base
    assert told["options"]["train"]["total_iter"] > 0
    assert told["photographs"]["validation"] == ["astronaut", "chelsea", "hubble_deep_field"]
    assert {"usrda_plugin", "torch", "basicsr", "scikit-image"} <= set(told["versions"])


def test_numbers_are_read_from_the_log_of_a_training(demo):
    log = """INFO: Training statistics:
\tTotal epochs: 2; iters: 600.
INFO: Validation camera
\t # psnr: 27.0000\tBest: 27.0000 @ 300 iter
INFO: Validation camera
\t # psnr: 30.5706\tBest: 30.5706 @ 602 iter
\t # niqe: nan\tBest: 6.8124 @ 602 iter
"""
    assert demo["run"].iterations_of(log) == 600
    assert demo["run"].iterations_of("INFO: Validation camera") == 0
    metrics = demo["run"].dict_of_metrics(log)
    assert metrics["psnr"] == 30.5706
    assert list(metrics) == ["psnr", "niqe"]

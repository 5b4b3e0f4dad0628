"""The demo's camera, its groups of photographs, and what it calls success."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

FOLDER = Path(__file__).parents[1] / "demo"


@pytest.fixture(scope="module")
def demo():
    """The demo's two modules besides its command, found as the command finds them."""
    modules = {}
    for name in ("photographs", "report"):
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        modules[name] = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(modules[name])
    yield modules
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

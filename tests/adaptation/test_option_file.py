"""The option file of an adaptation is one that ``basicsr train`` reads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from usrda_plugin.adaptation.option_file import Inputs, Schedule, render, write_option_file
from usrda_plugin.adaptation.starts import find_start
from usrda_plugin.options import load_options

SCHEDULE = Schedule(patch=96, batch=2, workers=0, iterations=40, seed=3)


def inputs_in(folder: Path) -> Inputs:
    """Folders that are named."""
    return Inputs(
        folder / "hr", folder / "source.txt", 2, folder / "camera.json", folder / "crops", folder / "crops", 5, 64
    )


@pytest.mark.parametrize(
    "name", ["plain", 'with "quotes": # and - more', "ünïcode 写真", "{braces} & *stars*", "📷 100%", "a\x7fb\n"]
)
def test_every_name_is_spelt_so_that_yaml_gives_it_back(name: str, rrdbnet: Callable[[int], Path]) -> None:
    folder = Path("/photos") / name
    text = render(folder / "adapt.yml", name, find_start(rrdbnet(2), None), inputs_in(folder), SCHEDULE)
    options = yaml.safe_load(text)
    assert options["name"] == name
    assert options["datasets"]["train"]["dataroot_gt"] == str(folder / "hr")
    assert options["manual_seed"] == 3


def test_small_networks_take_larger_steps_than_those_of_esrgans_size(rrdbnet: Callable[[int], Path]) -> None:
    start = find_start(rrdbnet(2), None)
    rates = [
        yaml.safe_load(render(Path("/a.yml"), "a", of_size, inputs_in(Path("/")), SCHEDULE))["train"]["optim_g"]["lr"]
        for of_size in (start, start._replace(parameters=16_000_000))
    ]
    assert rates == [4e-4, 1e-4]


def test_it_passes_the_check_of_option_files(rrdbnet: Callable[[int], Path], tmp_path: Path) -> None:
    from usrda_plugin.data.camera import Camera

    rng = np.random.default_rng(0)
    for folder, side in {"hr": 100, "crops": 64}.items():
        (tmp_path / folder).mkdir()
        for number in range(2):
            pixels = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
            cv2.imwrite(str(tmp_path / folder / f"photo {number}.png"), pixels)
    (tmp_path / "source.txt").write_text("photo 0.png\nphoto 1.png\n")
    kernel = np.zeros((15, 15), np.float32)
    kernel[7, 7] = 1
    Camera(kernel, 0.01).save(tmp_path / "camera.json")
    write_option_file(tmp_path / "adapt.yml", "a", find_start(rrdbnet(2), None), inputs_in(tmp_path), SCHEDULE)
    options = load_options(tmp_path / "adapt.yml", is_train=True)
    assert options["train"]["total_iter"] == 40
    assert options["datasets"]["train"]["dataset_enlarge_ratio"] * 2 >= 40 * 2

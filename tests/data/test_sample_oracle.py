"""What sample n of seed s is, written down a second time, pixel by pixel: a faster loader must give the same bits."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from usrda_plugin.data import USRDADataset, make_lmdb

SEED = 11


def weights(scale: int) -> list[float]:
    """The antialiased cubic kernel (a = -1/2) at the pixels it sees, from ``2 * scale`` before a block on, exactly."""

    def cubic(x: Fraction) -> Fraction:
        x = abs(x)
        if x <= 1:
            return Fraction(3, 2) * x**3 - Fraction(5, 2) * x**2 + 1
        return Fraction(-1, 2) * x**3 + Fraction(5, 2) * x**2 - 4 * x + 2 if x < 2 else Fraction(0)

    kernel = [cubic((Fraction(1 - scale, 2) + n - 2 * scale) / scale) for n in range(5 * scale)]
    return [float(weight / sum(kernel)) for weight in kernel]


def shrunken(lines: np.ndarray, scale: int, *, round_levels: bool) -> np.ndarray:
    """Shrink the first axis: a sum in single precision, first tap first, at each place whose kernel lies inside."""
    count = len(lines) // scale - 4
    result = np.zeros((count, *lines.shape[1:]), np.float32)
    for place in range(count):
        for tap, weight in enumerate(weights(scale)):
            if weight:
                result[place] += lines[place * scale + tap] * np.float32(weight)
    return np.clip(np.floor(result + np.float32(0.5)), 0, 255) if round_levels else result


def read(folder: Path, number: int) -> np.ndarray:
    image = cv2.imread(str(sorted(folder.iterdir())[number]), cv2.IMREAD_UNCHANGED)
    return image[..., ::-1]


def posed(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    turns, mirrored = rng.integers(4), rng.integers(2)
    image = np.rot90(image, turns)
    return (image[:, ::-1] if mirrored else image).transpose(2, 0, 1)


def oracle(opt: dict[str, Any], number: int) -> dict[str, np.ndarray]:
    """Sample ``number``, for photographs with room to spare."""
    scale, size, reach = opt["scale"], opt["gt_size"], 2 * opt["scale"]
    rng = np.random.Generator(np.random.Philox(np.random.SeedSequence((SEED, number))))
    photograph = read(opt["hr"], int(rng.integers(3)))
    room = size + 2 * reach
    top, left = (int(rng.integers(length - room + 1)) for length in photograph.shape[:2])
    patch = photograph[top : top + room, left : left + room]
    x_s = patch.astype(np.float32) if opt["quantize"] else patch.astype(np.float32) / np.float32(255)
    for _ in range(2):  # down the rows, then along the columns
        x_s = shrunken(x_s, scale, round_levels=opt["quantize"]).swapaxes(0, 1)
    x_s = x_s / np.float32(255) if opt["quantize"] else np.clip(x_s, 0, 1)
    y_s = patch[reach : reach + size, reach : reach + size]
    state = rng.bit_generator.state
    x_s = posed(x_s, rng)
    rng.bit_generator.state = state  # the pair is in one pose
    y_s = posed(y_s, rng) / np.float32(255)
    target = read(opt["lr"], int(rng.integers(2)))
    small = size // scale
    top, left = (int(rng.integers(length - small + 1)) for length in target.shape[:2])
    x_t = posed(target[top : top + small, left : left + small], rng) / np.float32(255)
    return {"x_s": x_s, "y_s": y_s, "x_t": x_t}


@pytest.fixture
def folders(tmp_path: Path, write: Callable, noise: Callable) -> dict[str, Path]:
    for number in range(3):
        write(tmp_path / "hr" / f"{number}.png", noise(60 + number, 70, number))
    for number in range(2):
        write(tmp_path / "lr" / f"{number}.png", noise(31, 30 + number, 10 + number))
    return {"hr": tmp_path / "hr", "lr": tmp_path / "lr"}


@pytest.mark.parametrize("quantize", [True, False])
@pytest.mark.parametrize(("scale", "gt_size"), [(2, 24), (3, 24), (4, 20)])
@pytest.mark.parametrize("storage", ["folder", "kept in memory", "ppm", "png"])
def test_samples_are_the_oracles_bit_for_bit(
    storage: str, scale: int, gt_size: int, quantize: bool, folders: dict[str, Path]
) -> None:
    opt = {"scale": scale, "gt_size": gt_size, "quantize": quantize, "seed": SEED}
    roots = dict(folders)
    if storage in ("ppm", "png"):
        for name, folder in folders.items():
            roots[name] = folder.with_suffix(".lmdb")
            make_lmdb(folder, roots[name], encoding=storage)  # type: ignore[arg-type]
    dataset = USRDADataset(
        {**opt, "dataroot_gt": roots["hr"], "dataroot_target": roots["lr"], "cache_in_memory": "memory" in storage}
    )
    for number in range(0, 60, 2):
        sample, expected = dataset[number], oracle({**opt, **folders}, number)
        for name, array in expected.items():
            assert sample[name].numpy().dtype == np.float32
            np.testing.assert_array_equal(sample[name].numpy(), array, f"{name} of {number}")

"""The fixed crops: which, how large, and made as training makes them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from usrda_plugin.data import USRDADataset, bicubic_downsample, camera_estimation, make_lmdb, sample_rng
from usrda_plugin.data.camera import estimate_camera
from usrda_plugin.monitoring.measurement import evenly_spaced, fixed_crops


def write(folder: Path, *sizes: tuple[int, int]) -> Path:
    """PNG files of noise, one a size (height, width); the first pixel's red says which it is."""
    folder.mkdir()
    for number, size in enumerate(sizes):
        image = np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8)
        assert cv2.imwrite(str(folder / f"{number}.png"), image)
    return folder


def options(hr: Path, lr: Path, **more: Any) -> dict[str, Any]:
    return {
        "type": "USRDADataset", "dataroot_gt": str(hr), "dataroot_target": str(lr), "scale": 2, "gt_size": 32, **more,
    }  # fmt: skip


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    return write(tmp_path / "hr", *[(160, 130)] * 3), write(tmp_path / "lr", (70, 61), *[(66, 90)] * 6)


def read(file: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)


def test_numbers_are_evenly_spaced() -> None:
    assert evenly_spaced(40, 4) == [0, 10, 20, 30]
    assert evenly_spaced(3, 3) == [0, 1, 2]
    assert evenly_spaced(2, 4) == [0, 0, 1, 1]


def test_target_crops_are_the_centres_of_evenly_spaced_photographs(roots: tuple[Path, Path]) -> None:
    crops = fixed_crops(options(*roots), images=3, size=48)
    assert crops.x_s.shape == crops.x_t.shape == (3, 3, 48, 48)
    for crop, number in zip(crops.x_t, (0, 2, 4), strict=True):
        image = read(roots[1] / f"{number}.png")
        top, left = (image.shape[0] - 48) // 2, (image.shape[1] - 48) // 2
        expected = image[top : top + 48, left : left + 48].transpose(2, 0, 1) / np.float32(255)
        assert np.array_equal(crop.numpy(), expected)


def test_source_crops_are_places_of_the_shrunk_photographs(roots: tuple[Path, Path]) -> None:
    crops = fixed_crops(options(*roots), images=2, size=40)
    for crop, number in zip(crops.x_s, (0, 1), strict=True):
        image = read(roots[0] / f"{number}.png")
        # a place on the HR grid: in one of four ways of shrinking
        shrunk = [bicubic_downsample(image[top:, left:], 2) for top in (0, 1) for left in (0, 1)]
        levels = (crop.numpy() * 255).round().transpose(1, 2, 0)
        places = [np.lib.stride_tricks.sliding_window_view(one, (40, 40, 3))[:, :, 0] for one in shrunk]
        assert any((place == levels).all(axis=(2, 3, 4)).any() for place in places)


def test_with_a_camera_source_crops_are_taken_by_that_of_the_training(tmp_path: Path) -> None:
    opt = options(write(tmp_path / "hr", *[(200, 180)] * 3), write(tmp_path / "lr", *[(90, 80)] * 4), seed=5)
    opt["degradation"] = "camera"
    crops = fixed_crops(opt, images=3, size=64)
    training = USRDADataset({**opt, "gt_size": 128})
    for number, crop in enumerate(crops.x_s):
        expected = training.pairs.draw(sample_rng(0, number), number).lq
        assert np.array_equal(crop.numpy(), expected.transpose(2, 0, 1))
    bicubic = fixed_crops({**opt, "degradation": "bicubic"}, images=3, size=64)
    assert torch.equal(crops.x_t, bicubic.x_t)
    assert not torch.equal(crops.x_s, bicubic.x_s)


def test_a_camera_is_estimated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    monkeypatch.setattr(
        camera_estimation, "estimate_camera", lambda *seen: found.append(estimate_camera(*seen)) or found[-1]
    )
    opt = options(write(tmp_path / "hr", (200, 180)), write(tmp_path / "lr", (90, 80)), degradation="camera")
    trained = USRDADataset({**opt, "gt_size": 64})
    fixed_crops(opt, images=1, size=64)
    assert len(found) == 1, "the signals take that of the training data"
    shutil.rmtree(tmp_path / "lr")
    write(tmp_path / "lr", (70, 60))  # another photograph by the same name
    assert not np.array_equal(USRDADataset(opt).pairs.camera.kernel, trained.pairs.camera.kernel)
    USRDADataset({**opt, "seed": 9})
    assert len(found) == 3


def test_the_side_follows_the_smallest_image_in_steps_of_8(roots: tuple[Path, Path]) -> None:
    assert fixed_crops(options(*roots), images=8, size=160).x_t.shape == (7, 3, 56, 56)
    assert fixed_crops(options(*roots, scale=4), images=2, size=160).x_t.shape == (2, 3, 32, 32)


def test_they_are_the_same_each_time_and_global_random_numbers_are_left_alone(roots: tuple[Path, Path]) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    first, second = (fixed_crops(options(*roots), 4, 48) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])


def test_lmdbs_give_the_same_crops_as_their_folders(roots: tuple[Path, Path], tmp_path: Path) -> None:
    for root in roots:
        make_lmdb(root, tmp_path / f"{root.name}.lmdb")
    crops = fixed_crops(options(tmp_path / "hr.lmdb", tmp_path / "lr.lmdb"), 3, 48)
    for ours, expected in zip(crops, fixed_crops(options(*roots), 3, 48), strict=True):
        assert torch.equal(ours, expected)


@pytest.mark.parametrize(("folder", "least"), [("lr", 32), ("hr", 64)])
def test_an_image_without_room_for_a_spectrum_is_named(tmp_path: Path, folder: str, least: int) -> None:
    sizes = {"hr": (80, 80), "lr": (40, 40), folder: (least - 1, 80)}
    roots = [write(tmp_path / name, sizes[name]) for name in ("hr", "lr")]
    with pytest.raises(
        ValueError, match=rf"val: signals: .* at least {least} pixels .* {least - 1} in .*{folder}/0.png"
    ):
        fixed_crops(options(*roots, gt_size=16), 2, 160)

"""``degradation: FILE.json``: LR images made by a known camera, for patches in training and for whole pictures."""

from __future__ import annotations

import logging
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from usrda_plugin.data import Camera, USRDADataset, USRDASourceDataset, bundled_photographs, sample_rng
from usrda_plugin.data.camera import Origin, kernel_of
from usrda_plugin.data.camera_estimation import estimate_from_files
from usrda_plugin.data.camera_pictures import noise_rng, take_picture
from usrda_plugin.data.pairs import taken_by

Options = dict[str, Any]
BLUR = kernel_of(np.exp(-2 * (np.pi * np.arange(17) / 32) ** 2))
"""The kernel of a Gaussian lens of one LR pixel."""


@pytest.fixture
def opt(tmp_path: Path) -> Options:
    """Photographs of scikit-image as a source, and cuttings of two of them as a target."""
    hr, target = tmp_path / "hr", tmp_path / "target"
    hr.mkdir()
    target.mkdir()
    for file in bundled_photographs()[:3]:
        shutil.copy(file, hr)
    for number, file in enumerate(bundled_photographs()[3:5]):
        blurred = cv2.GaussianBlur(cv2.imread(str(file)), (0, 0), 1.0)
        assert cv2.imwrite(str(target / f"{number}.png"), blurred[50:200, 80:260])
    return {"dataroot_gt": str(hr), "dataroot_target": str(target), "scale": 2, "gt_size": 48, "seed": 7}


@pytest.fixture
def camera_file(tmp_path: Path) -> Path:
    """A camera that blurs and makes noise."""
    Camera(BLUR, 4 / 255, Origin(2, 40, 6)).save(tmp_path / "camera.json")
    return tmp_path / "camera.json"


# in training


def test_training_by_the_file_of_an_estimate_is_training_by_the_camera_bit_for_bit(
    opt: Options, tmp_path: Path
) -> None:
    files = {key: sorted(Path(opt[key]).iterdir()) for key in ("dataroot_target", "dataroot_gt")}
    estimate_from_files(*files.values(), scale=2, seed=7).camera.save(tmp_path / "camera.json")
    by_camera = USRDADataset({**opt, "degradation": "camera"})
    by_file = USRDADataset({**opt, "degradation": str(tmp_path / "camera.json")})
    bicubic = USRDADataset(opt)
    for number in range(12):
        one, other = by_camera[number], by_file[number]
        assert [*one] == [*other]
        for name in ("x_s", "y_s", "x_t"):
            assert torch.equal(one[name], other[name])
        assert not torch.equal(one["x_s"], bicubic[number]["x_s"])


def test_no_target_photographs_are_needed(opt: Options, camera_file: Path) -> None:
    with_target = USRDADataset({**opt, "degradation": str(camera_file)})
    del opt["dataroot_target"]
    alone = USRDADataset({**opt, "degradation": str(camera_file)})
    for number in range(4):
        assert [*alone[number]] == ["x_s", "y_s", "gt_path"]
        assert torch.equal(alone[number]["x_s"], with_target[number]["x_s"])


def test_models_of_basicsr_train_by_the_same_pairs(opt: Options, camera_file: Path) -> None:
    unpaired = USRDADataset({**opt, "degradation": str(camera_file)})
    source = USRDASourceDataset({**opt, "degradation": str(camera_file)})
    for number in range(4):
        assert torch.equal(source[number]["lq"], unpaired[number]["x_s"])
        assert torch.equal(source[number]["gt"], unpaired[number]["y_s"])


def test_source_photographs_may_be_as_small_as_a_patch(opt: Options, camera_file: Path, write: Callable) -> None:
    """An estimate would ask for 72 pixels a side, and for 32 of the target's."""
    rng = np.random.default_rng(0)
    for key, side in (("dataroot_gt", 48), ("dataroot_target", 24)):
        write(Path(opt[key]) / "small.png", rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
    dataset = USRDADataset({**opt, "degradation": str(camera_file)})
    dataset.check_images()
    assert {tuple(dataset[number]["x_s"].shape) for number in range(12)} == {(3, 24, 24)}


def test_workers_get_the_camera(opt: Options, camera_file: Path) -> None:
    dataset = USRDASourceDataset({**opt, "degradation": str(camera_file)})
    camera_file.unlink()  # read once
    sent = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(sent[5]["lq"], dataset[5]["lq"])
    loader: Any = DataLoader(dataset, 2, num_workers=2, sampler=range(4), multiprocessing_context="fork")
    found = torch.cat([batch["lq"] for batch in loader])
    assert torch.equal(found, torch.stack([dataset[number]["lq"] for number in range(4)]))


def test_the_log_says_which_camera_and_whether_its_scale_is_another(
    opt: Options, camera_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(logging.getLogger("basicsr"), "info", lines.append)
    USRDASourceDataset({**opt, "degradation": str(camera_file)})
    assert lines == [f"Camera of {camera_file}: {Camera.load(camera_file).describe()}."]
    USRDASourceDataset({**opt, "degradation": str(camera_file), "scale": 4})
    assert lines[2].startswith("It was estimated at scale 2 and is used at scale 4")


def test_what_is_no_camera_is_refused_by_the_option_s_name(opt: Options, camera_file: Path) -> None:
    for kind in (USRDADataset, USRDASourceDataset):
        with pytest.raises(ValueError, match=r"degradation: none\.json: expected a camera's file, found nothing"):
            kind({**opt, "degradation": "none.json"})
        with pytest.raises(ValueError, match=r"degradation: .*; remove dataroot_lq"):
            kind({**opt, "degradation": str(camera_file), "dataroot_lq": opt["dataroot_gt"], "scale": 1})
    with pytest.raises(ValueError, match=r"must be bicubic or a camera's file \(\.json\), found 'camera'"):
        USRDASourceDataset({**opt, "degradation": "camera"})
    camera_file.write_text("{}")
    with pytest.raises(ValueError, match=r"degradation: .*camera\.json: format: expected"):
        USRDADataset({**opt, "degradation": str(camera_file)})


# whole pictures


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_a_whole_picture_is_made_as_the_patches_of_a_training_are(scale: int, tmp_path: Path, write: Callable) -> None:
    """The photograph has room for one place with all that the kernels see around it."""
    margin = (2 * scale if scale > 1 else 0) + 7 * scale
    side = 16 * scale + 2 * margin
    photograph = cv2.cvtColor(cv2.imread(str(bundled_photographs()[1])), cv2.COLOR_BGR2RGB)[40 : 40 + side, 90:][
        :, :side
    ]
    write(tmp_path / "hr" / "a.png", photograph)
    camera = Camera(BLUR, 0.0)
    camera.save(tmp_path / "camera.json")
    options = {"dataroot_gt": str(tmp_path / "hr"), "use_hflip": False, "use_rot": False, "scale": scale}
    dataset = USRDASourceDataset({**options, "gt_size": 16 * scale, "degradation": str(tmp_path / "camera.json")})
    patch = (dataset[0]["lq"].numpy().transpose(1, 2, 0) * 255).round().astype(int)
    whole = taken_by(camera, photograph, scale, np.random.default_rng(0)).astype(int)
    off = np.abs(whole[margin // scale :, margin // scale :][:16, :16] - patch)
    # a transform of another length rounds the last bit of a float in another way
    assert off.max() <= 1
    assert (off > 0).mean() < 0.01


def test_the_sides_of_a_picture_see_it_mirrored_and_nothing_is_cut_off(write: Callable) -> None:
    rng = np.random.default_rng(0)
    picture = rng.random((20, 31, 3), dtype=np.float32)
    taken = Camera(BLUR, 0.0).degrade_whole(rng, picture)
    assert taken.shape == picture.shape
    mirrored = np.pad(picture, ((20, 20), (31, 31), (0, 0)), mode="symmetric")
    expected = Camera(BLUR, 0.0).degrade(rng, mirrored)
    np.testing.assert_allclose(taken, expected[13:33, 24:55], atol=1e-6)
    even = np.full((9, 5, 3), 0.4, np.float32)  # smaller than the kernel
    np.testing.assert_allclose(Camera(BLUR, 0.0).degrade_whole(rng, even), even, atol=1e-6)


def test_what_is_left_over_at_the_right_and_the_bottom_is_cut_off() -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (41, 50, 3), dtype=np.uint8)
    camera = Camera(BLUR, 0.0)
    taken = taken_by(camera, photograph, 3, sample_rng(0, 0))
    assert taken.shape == (13, 16, 3)
    assert taken.dtype == np.uint8
    np.testing.assert_array_equal(taken, taken_by(camera, photograph[:39, :48], 3, sample_rng(0, 0)))


def test_16_bit_pictures_are_taken_as_those_of_8_bits() -> None:
    photograph = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    deep = photograph.astype(np.uint16) * 257
    camera = Camera(BLUR, 0.01)
    one, other = (taken_by(camera, levels, 2, sample_rng(0, 0)) for levels in (photograph, deep))
    np.testing.assert_array_equal(one, other)


def test_noise_is_a_function_of_seed_and_name(tmp_path: Path, write: Callable) -> None:
    gray = write(tmp_path / "gray.png", np.full((200, 200, 3), 128, np.uint8))

    def taken(name: str, seed: int) -> np.ndarray:
        take_picture(Camera(BLUR, 5 / 255), gray, tmp_path / "lr.png", 2, name=name, seed=seed)
        return cv2.imread(str(tmp_path / "lr.png")).astype(float)

    first = taken("a/b.png", 0)
    assert first.std() == pytest.approx(5, rel=0.03)
    np.testing.assert_array_equal(taken("a/b.png", 0), first)
    for name, seed in (("b.png", 0), ("a/b.jpg", 0), ("a/b.png", 1)):
        other = taken(name, seed)
        assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.03


def test_an_accent_in_a_name_may_be_spelt_in_two_ways() -> None:
    one, other = (noise_rng(0, name).random(4) for name in ("caf\u00e9.png", "cafe\u0301.png"))
    np.testing.assert_array_equal(one, other)
    assert noise_rng(0, "\udcff.png").random() != noise_rng(0, "a.png").random()


def test_a_picture_smaller_than_the_scale_is_named(tmp_path: Path, write: Callable) -> None:
    thin = write(tmp_path / "thin.png", np.zeros((40, 2, 3), np.uint8))
    with pytest.raises(ValueError, match=r"thin\.png: expected 3 pixels a side or more, found 2x40; leave it out"):
        take_picture(Camera(BLUR, 0.0), thin, tmp_path / "lr.png", 3, name="thin.png")
    assert not (tmp_path / "lr.png").exists()

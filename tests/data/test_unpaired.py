"""The pictures here are maps: red, green and blue of a pixel are its row, its column and the number of its image."""

from __future__ import annotations

import importlib.util
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from basicsr.data import build_dataset
from basicsr.utils.matlab_functions import imresize
from basicsr.utils.registry import DATASET_REGISTRY
from scipy.stats import chisquare
from torch.utils.data import DataLoader

from usrda_plugin.data import StreamSampler, USRDADataset, USRDASourceDataset, make_lmdb, unpaired
from usrda_plugin.data.patches import Pose

Write = Callable[[Path, np.ndarray], Path]
Noise = Callable[..., np.ndarray]
MapFolder = Callable[..., Path]
POSES = [Pose(turns, mirrored) for turns in range(4) for mirrored in (False, True)]


def levels(image: torch.Tensor) -> np.ndarray:
    """HWC levels of a CHW tensor."""
    return (image.numpy().transpose(1, 2, 0) * 255).round().astype(np.uint8)


def place(patch: torch.Tensor) -> tuple[int, int, int, int]:
    """Read off a map patch its image, top, left and pose (as a position in POSES)."""
    pixels = levels(patch).astype(int)
    top, left = pixels[..., 0].min(), pixels[..., 1].min()
    rows, columns = np.mgrid[top : top + len(pixels), left : left + len(pixels)]
    upright = np.stack([rows, columns], axis=2)
    fitting = [n for n, pose in enumerate(POSES) if np.array_equal(pose.apply(upright), pixels[..., :2])]
    assert len(fitting) == 1, "the patch is no square of one image in any pose"
    return int(pixels[0, 0, 2]), int(top), int(left), fitting[0]


def assert_uniform(values: list[int], choices: int) -> None:
    counts = np.bincount(values, minlength=choices)
    assert len(counts) == choices
    assert chisquare(counts).pvalue > 1e-3


@pytest.fixture
def opt(map_folder: MapFolder) -> dict[str, Any]:
    """Three source maps with 4 x 6 places for a patch and its margin, five target maps with 5 x 3 places."""
    roots = {
        "dataroot_gt": str(map_folder("hr", 3, 16 + 8 + 3, 16 + 8 + 5)),
        "dataroot_target": str(map_folder("target", 5, 12, 10)),
    }
    return {**roots, "scale": 2, "gt_size": 16, "seed": 7}


@pytest.fixture
def noise_opt(tmp_path: Path, write: Write, noise: Noise) -> dict[str, Any]:
    for number in range(4):
        write(tmp_path / "hr" / f"{number}.png", noise(64, 80, number))
        write(tmp_path / "target" / f"{number}.png", noise(40, 40, 10 + number))
    return {"dataroot_gt": str(tmp_path / "hr"), "dataroot_target": str(tmp_path / "target"), "scale": 2, "gt_size": 24}


# what a sample is


@pytest.mark.parametrize(("scale", "gt_size"), [(1, 16), (2, 24), (3, 24), (4, 32)])
def test_a_sample_holds_unit_rgb_tensors_of_the_sizes_asked_for(
    scale: int, gt_size: int, noise_opt: dict[str, Any]
) -> None:
    sample = USRDADataset({**noise_opt, "scale": scale, "gt_size": gt_size})[0]
    assert set(sample) == {"x_s", "y_s", "x_t", "gt_path", "target_path"}
    small = gt_size // scale
    assert sample["y_s"].shape == (3, gt_size, gt_size)
    assert sample["x_s"].shape == sample["x_t"].shape == (3, small, small)
    for name in ("x_s", "y_s", "x_t"):
        assert sample[name].dtype == torch.float32
        assert sample[name].min() >= 0
        assert sample[name].max() <= 1


def test_paths_name_the_images_that_the_patches_come_from(opt: dict[str, Any]) -> None:
    for number in range(20):
        sample = USRDADataset(opt)[number]
        assert Path(sample["gt_path"]).name == f"{place(sample['y_s'])[0]}.png"
        assert Path(sample["target_path"]).name == f"{place(sample['x_t'])[0]}.png"


def test_red_stays_red(tmp_path: Path, write: Write) -> None:
    warm = np.full((32, 32, 3), (200, 100, 50), np.uint8)
    roots = {"dataroot_gt": str(write(tmp_path / "hr" / "a.png", warm).parent)}
    sample = USRDADataset({**roots, "dataroot_target": roots["dataroot_gt"], "scale": 2, "gt_size": 16})[0]
    for name in ("x_s", "y_s", "x_t"):
        assert levels(sample[name])[3, 3].tolist() == [200, 100, 50]


def test_without_a_target_there_is_none_and_the_source_stays_the_same(opt: dict[str, Any]) -> None:
    alone = USRDADataset({key: value for key, value in opt.items() if key != "dataroot_target"})[5]
    assert set(alone) == {"x_s", "y_s", "gt_path"}
    assert torch.equal(alone["y_s"], USRDADataset(opt)[5]["y_s"])


def test_the_source_data_set_speaks_the_names_of_basicsr(opt: dict[str, Any]) -> None:
    source, pair = USRDASourceDataset(opt)[3], USRDADataset(opt)[3]
    assert set(source) == {"lq", "gt", "lq_path", "gt_path"}
    assert torch.equal(source["lq"], pair["x_s"])
    assert torch.equal(source["gt"], pair["y_s"])


# LR made from HR


@pytest.mark.parametrize(("scale", "gt_size"), [(2, 24), (3, 24), (4, 32)])
def test_lr_is_the_shrunken_hr_patch_in_every_pose(scale: int, gt_size: int, noise_opt: dict[str, Any]) -> None:
    dataset = USRDADataset({**noise_opt, "scale": scale, "gt_size": gt_size, "quantize": False})
    for number in range(24):
        sample = dataset[number]
        shrunken = imresize(sample["y_s"].numpy().transpose(1, 2, 0), 1 / scale).clip(0, 1)
        found = sample["x_s"].numpy().transpose(1, 2, 0)
        # two LR pixels at the rim also saw HR pixels outside the patch
        np.testing.assert_allclose(found[2:-2, 2:-2], shrunken[2:-2, 2:-2], atol=2e-6)
        assert np.abs(found - shrunken)[[0, -1]].max() > 1e-3


def test_lr_is_as_if_the_whole_photograph_had_been_shrunk(tmp_path: Path, write: Write, noise: Noise) -> None:
    photograph = noise(40, 40)
    write(tmp_path / "hr" / "a.png", photograph)
    options = {"dataroot_gt": str(tmp_path / "hr"), "scale": 2, "gt_size": 24, "use_hflip": False, "use_rot": False}
    whole = imresize(photograph.astype(np.float32) / 255, 1 / 2)
    on_the_grid = 0
    for number in range(60):
        sample = USRDASourceDataset({**options, "quantize": False})[number]
        windows = np.lib.stride_tricks.sliding_window_view(photograph, (24, 24, 3))[:, :, 0]
        top, left = np.argwhere((windows == levels(sample["gt"])).all(axis=(2, 3, 4)))[0]
        if top % 2 == left % 2 == 0:
            on_the_grid += 1
            expected = whole[top // 2 : top // 2 + 12, left // 2 : left // 2 + 12].clip(0, 1)
            np.testing.assert_allclose(sample["lq"].numpy().transpose(1, 2, 0), expected, atol=2e-6)
    assert on_the_grid > 5


def test_made_lr_has_8_bits_unless_told_otherwise(noise_opt: dict[str, Any]) -> None:
    def distance_to_levels(quantize: bool) -> float:
        lr = USRDADataset({**noise_opt, "quantize": quantize})[0]["x_s"] * 255
        return float((lr - lr.round()).abs().max())

    assert distance_to_levels(True) < 1e-4
    assert distance_to_levels(False) > 0.1
    rounded, exact = (USRDADataset({**noise_opt, "quantize": flag})[0]["x_s"] for flag in (True, False))
    assert (rounded - exact).abs().max() * 255 < 2  # rounded twice, half a level each, and a little overshoot


def test_patches_keep_away_from_the_border_where_there_is_room(opt: dict[str, Any]) -> None:
    places = [place(USRDADataset(opt)[number]["y_s"]) for number in range(300)]
    assert {top for _, top, _, _ in places} == set(range(4, 4 + 4))
    assert {left for _, _, left, _ in places} == set(range(4, 4 + 6))


def test_an_image_with_room_for_no_more_than_a_patch_is_used_with_mirrored_edges(
    tmp_path: Path, write: Write, noise: Noise
) -> None:
    photograph = noise(24, 26)
    write(tmp_path / "hr" / "a.png", photograph)
    options = {"dataroot_gt": str(tmp_path / "hr"), "scale": 2, "gt_size": 24, "use_hflip": False, "use_rot": False}
    whole = imresize(photograph.astype(np.float32) / 255, 1 / 2)
    lefts = set()
    for number in range(30):
        sample = USRDASourceDataset({**options, "quantize": False})[number]
        patch = levels(sample["gt"])
        left = next(left for left in range(3) if np.array_equal(patch, photograph[:, left : left + 24]))
        lefts.add(left)
        if left != 1:
            expected = whole[:, left // 2 : left // 2 + 12].clip(0, 1)
            np.testing.assert_allclose(sample["lq"].numpy().transpose(1, 2, 0), expected, atol=2e-6)
    assert lefts == {0, 1, 2}


def test_16_bit_photographs_work(tmp_path: Path, write: Write) -> None:
    deep = np.random.default_rng(0).integers(0, 2**16, (40, 40, 3)).astype(np.uint16)
    write(tmp_path / "hr" / "a.png", deep)
    sample = USRDASourceDataset({"dataroot_gt": str(tmp_path / "hr"), "scale": 2, "gt_size": 24})[0]
    steps = sample["gt"] * 65535
    assert (steps - steps.round()).abs().max() < 0.01
    assert (sample["gt"] * 255).frac().abs().max() > 0.1
    shrunken = imresize(sample["gt"].numpy().transpose(1, 2, 0), 1 / 2).clip(0, 1)
    found = sample["lq"].numpy().transpose(1, 2, 0)
    assert np.abs(found - shrunken)[2:-2, 2:-2].max() < 2 / 255


# given LR


@pytest.fixture
def given_opt(map_folder: MapFolder, tmp_path: Path, write: Write) -> dict[str, Any]:
    """LR maps, and HR images whose pixels are each the LR pixel that they belong to."""
    lr = map_folder("lr", 3, 14, 11)
    for number in range(3):
        rows, columns = np.mgrid[: 14 * 2 + 1, : 11 * 2]  # an odd row over
        image = np.stack([rows // 2, columns // 2, np.full_like(rows, number)], axis=2)
        write(tmp_path / "hr" / f"{number}.jpg.png", image.astype(np.uint8))
        (lr / f"{number}.png").rename(lr / f"{number}.jpgx2.png")
    roots = {"dataroot_gt": str(tmp_path / "hr"), "dataroot_lq": str(lr)}
    return {**roots, "filename_tmpl": "{}x2", "scale": 2, "gt_size": 16}


def test_given_pairs_show_the_same_place_in_every_pose(given_opt: dict[str, Any]) -> None:
    dataset = USRDASourceDataset(given_opt)
    poses = set()
    for number in range(64):
        sample = dataset[number]
        np.testing.assert_array_equal(levels(sample["gt"])[::2, ::2], levels(sample["lq"]))
        np.testing.assert_array_equal(levels(sample["gt"])[1::2, 1::2], levels(sample["lq"]))
        poses.add(place(sample["lq"])[3])
    assert poses == set(range(8))
    assert sample["lq_path"].endswith("x2.png")
    assert not sample["gt_path"].endswith("x2.png")


def test_given_pairs_come_from_the_whole_image(given_opt: dict[str, Any]) -> None:
    places = [place(USRDASourceDataset(given_opt)[number]["lq"]) for number in range(250)]
    assert {top for _, top, _, _ in places} == set(range(14 - 8 + 1))
    assert {left for _, _, left, _ in places} == set(range(11 - 8 + 1))


def test_pairs_that_do_not_fit_are_named(given_opt: dict[str, Any]) -> None:
    dataset = USRDASourceDataset({**given_opt, "scale": 4})
    expected = r"0\.jpg\.png is 29x22 .* at scale 4 its LR image must be 7x5; .*0\.jpgx2\.png is 14x11"
    with pytest.raises(ValueError, match=expected):
        dataset.pairs.draw(np.random.default_rng(0), 0)
    with pytest.raises(ValueError, match=expected):
        dataset.check_images()


# chance


def test_every_image_place_and_pose_is_as_likely_as_any_other(opt: dict[str, Any]) -> None:
    dataset = USRDADataset({**opt, "cache_in_memory": True})
    source, target = zip(
        *((place(s["y_s"]), place(s["x_t"])) for s in map(dataset.__getitem__, range(2400))), strict=True
    )
    assert_uniform([image for image, _, _, _ in source], 3)
    assert_uniform([(top - 4) * 6 + left - 4 for _, top, left, _ in source], 4 * 6)
    assert_uniform([pose for _, _, _, pose in source], 8)
    assert_uniform([image for image, _, _, _ in target], 5)
    assert_uniform([top * 3 + left for _, top, left, _ in target], 5 * 3)
    assert_uniform([pose for _, _, _, pose in target], 8)
    # nothing of the target follows from the source
    assert_uniform([s[0] * 5 + t[0] for s, t in zip(source, target, strict=True)], 3 * 5)
    assert_uniform([s[3] * 8 + t[3] for s, t in zip(source, target, strict=True)], 8 * 8)
    assert_uniform([s[1] - 4 + 4 * t[1] for s, t in zip(source, target, strict=True)], 4 * 5)


@pytest.mark.parametrize(("flip", "turn", "poses"), [(False, False, 1), (True, False, 2), (False, True, 4)])
def test_poses_are_those_allowed(flip: bool, turn: bool, poses: int, opt: dict[str, Any]) -> None:
    dataset = USRDADataset({**opt, "use_hflip": flip, "use_rot": turn})
    samples = [dataset[number] for number in range(80)]
    for name in ("y_s", "x_t"):
        assert len({place(sample[name])[3] for sample in samples}) == poses


def test_a_number_draws_the_same_sample_for_ever_and_another_one_another(noise_opt: dict[str, Any]) -> None:
    first, again = USRDADataset(noise_opt), USRDADataset(noise_opt)
    first[3]
    np.random.seed(0)
    torch.manual_seed(0)
    assert torch.equal(first[9]["y_s"], again[9]["y_s"])
    assert torch.equal(first[9]["x_t"], again[9]["x_t"])
    others = [again[10], again[9 + len(again)], USRDADataset({**noise_opt, "seed": 1})[9]]
    for other in others:
        assert not torch.equal(first[9]["y_s"], other["y_s"])
        assert not torch.equal(first[9]["x_t"], other["x_t"])


# loaders


def batches(opt: dict[str, Any], workers: int, epochs: int = 2, **settings: Any) -> list[dict[str, Any]]:
    dataset = build_dataset({**opt, "type": "USRDADataset", "name": "unpaired"})
    sampler = StreamSampler(dataset, 1, 0, 4)
    loader = DataLoader(dataset, batch_size=4, sampler=sampler, num_workers=workers, drop_last=True, **settings)
    found = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        found += list(loader)
    return found


def assert_same(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    assert len(ours) == len(theirs) > 0
    for one, other in zip(ours, theirs, strict=True):
        assert one["gt_path"] == other["gt_path"]
        assert one["target_path"] == other["target_path"]
        assert all(torch.equal(one[name], other[name]) for name in ("x_s", "y_s", "x_t"))


@pytest.mark.filterwarnings("ignore:This DataLoader will create 8 worker processes")
@pytest.mark.parametrize("workers", [2, 8])
def test_batches_are_the_same_with_any_number_of_workers(workers: int, noise_opt: dict[str, Any]) -> None:
    assert_same(batches(noise_opt, 0), batches(noise_opt, workers, multiprocessing_context="fork"))


def test_each_epoch_brings_other_patches(noise_opt: dict[str, Any]) -> None:
    found = batches(noise_opt, 2, epochs=2, multiprocessing_context="fork")
    patches = [patch.numpy().tobytes() for batch in found for patch in batch["x_t"]]
    assert len(set(patches)) == len(patches) == 2 * 16


@pytest.fixture
def lmdb_opt(noise_opt: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    roots = {key: f"{noise_opt[key]}.lmdb" for key in ("dataroot_gt", "dataroot_target")}
    for key, path in roots.items():
        make_lmdb(noise_opt[key], path)
    return {**noise_opt, **roots, "io_backend": {"type": "lmdb"}}


def test_an_lmdb_gives_the_samples_of_its_folder_also_to_forked_workers(
    noise_opt: dict[str, Any], lmdb_opt: dict[str, Any]
) -> None:
    for workers, settings in ((0, {}), (2, {"multiprocessing_context": "fork"})):
        for one, other in zip(batches(noise_opt, 0), batches(lmdb_opt, workers, **settings), strict=True):
            assert all(torch.equal(one[name], other[name]) for name in ("x_s", "y_s", "x_t"))


def test_a_data_set_pickles_after_it_has_read(lmdb_opt: dict[str, Any]) -> None:
    dataset = USRDADataset(lmdb_opt)
    assert torch.equal(dataset[4]["x_t"], pickle.loads(pickle.dumps(dataset))[4]["x_t"])


@pytest.mark.slow
def test_batches_are_the_same_with_spawned_workers_on_an_lmdb(lmdb_opt: dict[str, Any]) -> None:
    settings = {"multiprocessing_context": "spawn", "persistent_workers": True}
    assert_same(batches(lmdb_opt, 0), batches(lmdb_opt, 2, **settings))


def test_two_data_sets_on_one_lmdb_work_side_by_side(lmdb_opt: dict[str, Any]) -> None:
    twice = {**lmdb_opt, "dataroot_target": lmdb_opt["dataroot_gt"]}
    assert torch.equal(USRDADataset(twice)[0]["y_s"], USRDADataset(lmdb_opt)[0]["y_s"])


# what is refused


def test_a_patch_that_is_no_multiple_of_the_scale_is_refused(opt: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="multiple of scale 2, found 15"):
        USRDADataset({**opt, "gt_size": 15})


@pytest.mark.parametrize("root", ["dataroot_gt", "dataroot_target"])
def test_a_missing_root_is_named_with_its_option(root: str, opt: dict[str, Any]) -> None:
    with pytest.raises(FileNotFoundError, match=f"{root}: image folder .*nowhere does not exist"):
        USRDADataset({**opt, root: "nowhere"})


@pytest.mark.parametrize("root", ["dataroot_gt", "dataroot_target"])
def test_an_io_backend_that_contradicts_a_root_is_refused(
    root: str, opt: dict[str, Any], lmdb_opt: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=f"io_backend says disk, but {root}: .*lmdb is an LMDB"):
        USRDADataset({**opt, root: lmdb_opt[root], "io_backend": {"type": "disk"}})
    with pytest.raises(ValueError, match=f"io_backend says lmdb, but {root}: .* is a folder"):
        USRDADataset({**lmdb_opt, root: opt[root]})


@pytest.mark.parametrize("root", ["dataroot_gt", "dataroot_target"])
def test_an_image_smaller_than_a_patch_is_named(root: str, opt: dict[str, Any], write: Write, noise: Noise) -> None:
    write(Path(opt[root]) / "tiny.png", noise(7, 30))
    dataset = USRDADataset(opt)
    with pytest.raises(ValueError, match=r"tiny\.png is 7x30 .* smaller than a patch of (16x16|8x8)"):
        list(map(dataset.__getitem__, range(60)))
    with pytest.raises(ValueError, match=r"tiny\.png is 7x30"):
        dataset.check_images()


def test_all_faulty_images_are_listed_before_training(opt: dict[str, Any], write: Write, noise: Noise) -> None:
    USRDADataset(opt).check_images()
    write(Path(opt["dataroot_gt"]) / "tiny.png", noise(7, 30))
    (Path(opt["dataroot_gt"]) / "broken.png").write_bytes(b"no image")
    (Path(opt["dataroot_target"]) / "empty.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"(?s)broken\.png.*tiny\.png.*empty\.png"):
        USRDADataset(opt).check_images()


def test_registering_a_second_time_is_harmless() -> None:
    assert unpaired.__file__ is not None
    spec = importlib.util.spec_from_file_location("unpaired_again", unpaired.__file__)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    assert DATASET_REGISTRY.get("USRDADataset") is USRDADataset
    assert DATASET_REGISTRY.get("USRDASourceDataset") is USRDASourceDataset


def test_the_images_of_the_first_samples_are_named_without_reading_them(opt: dict[str, Any]) -> None:
    dataset = USRDASourceDataset(opt)
    assert dataset.lq_paths() == [dataset[number]["lq_path"] for number in range(len(dataset))]

"""Cameras whose blur and noise are known, and what is found of them; then the data set that makes pictures by them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from usrda_plugin.data import USRDADataset, bicubic_downsample, make_lmdb
from usrda_plugin.data.camera import (
    CONTENT,
    PATCH,
    REACH,
    SHARPEST,
    Camera,
    estimate_camera,
    gather,
    kernel_of,
    power_spectra,
)

Write = Callable[[Path, np.ndarray], Path]
LEVEL = 1 / 255
CYCLES = np.arange(PATCH // 2 + 1) / PATCH
DELTA = np.pad(np.ones((1, 1), np.float32), REACH)


def scenes(count: int, seed: int, side: int = 128) -> np.ndarray:
    """Planes whose amplitudes fall as 1 / f, as those of photographs, around 0; (count, side, side)."""
    white = np.random.default_rng(seed).standard_normal((count, side, side))
    line = np.fft.fftfreq(side)
    frequency = np.hypot(line[:, None], line)
    frequency[0, 0] = np.inf
    planes = np.fft.ifft2(np.fft.fft2(white) / frequency).real
    return 0.12 * planes / planes.std(axis=(1, 2), keepdims=True)


def blurred(planes: np.ndarray, sigma: float) -> np.ndarray:
    """Planes behind a Gaussian lens, by the theorem of convolution."""
    line = np.fft.fftfreq(planes.shape[-1])
    return np.fft.ifft2(np.fft.fft2(planes) * gaussian(np.hypot(line[:, None], line), sigma)).real


def gaussian(frequency: np.ndarray, sigma: float) -> np.ndarray:
    """The frequency response of a Gaussian lens."""
    return np.exp(-2 * (np.pi * sigma * frequency) ** 2)


def patches(planes: np.ndarray, noise: float = 0.0) -> np.ndarray:
    """Cut gray patches around 1/2 and add noise of its own to each colour, in levels; (N, 32, 32, 3)."""
    count, side = len(planes), planes.shape[-1] // PATCH
    tiles = planes.reshape(count, side, PATCH, side, PATCH).swapaxes(2, 3).reshape(-1, PATCH, PATCH, 1)
    colours = np.repeat(tiles + 0.5, 3, axis=3)
    return (colours + noise * LEVEL * np.random.default_rng(9).standard_normal(colours.shape)).astype(np.float32)


def half_flat(planes: np.ndarray) -> np.ndarray:
    """The same planes with nothing on every other one."""
    return planes * (np.arange(len(planes)) % 2)[:, None, None]


def response(camera: Camera) -> np.ndarray:
    """How much of the contrast each frequency keeps along a line, (17,)."""
    return np.abs(np.fft.rfft(camera.kernel.sum(axis=0), PATCH))


@pytest.fixture(scope="module")
def source() -> np.ndarray:
    return patches(scenes(96, 0))


@pytest.fixture(scope="module")
def seen() -> np.ndarray:
    """What the target's photographs show: other scenes of the same kind."""
    return scenes(96, 1)


# what is found


@pytest.mark.parametrize("sigma", [1.0, 1.5])
@pytest.mark.parametrize("noise", [2.0, 5.0])
def test_blur_and_noise_of_a_lens_that_passes_no_finest_detail_are_found(
    sigma: float, noise: float, source: np.ndarray, seen: np.ndarray
) -> None:
    camera = estimate_camera(patches(blurred(seen, sigma), noise), source)
    assert camera.noise / LEVEL == pytest.approx(noise, rel=0.15)
    # the two domains are set equal at the frequencies of CONTENT, which such a lens dims as well
    expected = gaussian(CYCLES, sigma) / np.sqrt((gaussian(CYCLES[CONTENT], sigma) ** 2).mean())
    passed = (expected > 0.3) & (np.arange(len(CYCLES)) >= CONTENT.stop)
    np.testing.assert_allclose(response(camera)[passed], expected[passed], atol=0.06)
    assert camera.kernel.dtype == np.float32
    assert camera.kernel.shape == (15, 15)
    assert camera.kernel.sum() == pytest.approx(1, abs=1e-5)


def test_the_kernel_is_centred_and_alike_in_all_poses(source: np.ndarray, seen: np.ndarray) -> None:
    kernel = estimate_camera(patches(blurred(seen, 1.0), 2.0), source).kernel
    assert np.unravel_index(kernel.argmax(), kernel.shape) == (REACH, REACH)
    for pose in (kernel.T, kernel[::-1], kernel[:, ::-1]):
        np.testing.assert_allclose(pose, kernel, atol=1e-7)


def test_less_contrast_is_no_blur(source: np.ndarray, seen: np.ndarray) -> None:
    full, weak = (estimate_camera(patches(contrast * blurred(seen, 1.0), 2.0), source) for contrast in (1, 0.7))
    np.testing.assert_allclose(response(weak)[:9], response(full)[:9], atol=0.02)
    assert weak.noise == pytest.approx(full.noise, rel=0.1)
    with_half_the_noise = estimate_camera(patches(0.5 * blurred(seen, 1.0), 1.0), source)
    exact = estimate_camera(patches(blurred(seen, 1.0), 2.0), source)
    np.testing.assert_allclose(with_half_the_noise.kernel, exact.kernel, atol=1e-4)
    assert with_half_the_noise.noise == pytest.approx(exact.noise / 2, rel=1e-3)


@pytest.mark.parametrize("content", [lambda planes: planes, half_flat], ids=["everywhere", "half flat"])
def test_a_target_as_sharp_as_the_source_gets_neither_blur_nor_noise(
    content: Callable[[np.ndarray], np.ndarray], seen: np.ndarray
) -> None:
    # the same scenes, for else those two differ by chance in the finest detail
    camera = estimate_camera(patches(content(seen)), patches(content(seen)))
    np.testing.assert_allclose(camera.kernel, DELTA, atol=0.005)
    assert camera.noise < 0.05 * LEVEL


@pytest.mark.parametrize("sigma", [0.6, 0.8])
def test_what_a_lens_passes_is_called_noise_only_in_part(sigma: float, source: np.ndarray, seen: np.ndarray) -> None:
    """The finest detail that these lenses pass is as strong as noise of 7 and of 3 levels."""
    camera = estimate_camera(patches(blurred(seen, sigma)), source)
    assert camera.noise < 0.5 * {0.6: 7, 0.8: 3}[sigma] * LEVEL
    expected = gaussian(CYCLES, sigma) / np.sqrt((gaussian(CYCLES[CONTENT], sigma) ** 2).mean())
    np.testing.assert_allclose(response(camera)[4:], expected[4:], atol=0.08)


@pytest.mark.parametrize("noise", [2.0, 5.0])
def test_noise_of_a_sharp_target_is_that_of_its_flat_places(noise: float, seen: np.ndarray) -> None:
    camera = estimate_camera(patches(half_flat(seen), noise), patches(half_flat(scenes(96, 0))))
    assert camera.noise / LEVEL == pytest.approx(noise, rel=0.15)
    np.testing.assert_allclose(response(camera), 1, atol=0.06)


def test_texture_without_flat_places_is_no_noise(seen: np.ndarray) -> None:
    """The finest detail of these scenes has the power of noise of 20 levels."""
    sharp = 1.05 * seen + 0.3 * scenes(96, 2)
    assert estimate_camera(patches(sharp), patches(seen)).noise < 5 * LEVEL
    assert estimate_camera(patches(sharp, 10.0), patches(seen)).noise / LEVEL == pytest.approx(10, rel=0.4)


def test_a_target_sharper_than_the_source_is_sharpened_within_limits(seen: np.ndarray) -> None:
    camera = estimate_camera(patches(half_flat(seen)), patches(half_flat(blurred(scenes(96, 0), 0.5))))
    expected = gaussian(CYCLES, 0.5) ** -1
    np.testing.assert_allclose(response(camera)[4:10], expected[4:10], rtol=0.12)
    assert camera.noise < LEVEL
    # a source that has nothing there at all, not even rounding
    camera = estimate_camera(patches(seen), patches(blurred(scenes(96, 0), 4.0)))
    assert np.isfinite(camera.kernel).all()
    assert response(camera).max() < 1.2 * SHARPEST  # cut off to 15 pixels, a kernel overshoots
    assert camera.kernel.sum() == pytest.approx(1, abs=1e-5)


def test_the_spectrum_is_that_of_numpys_transform() -> None:
    image = np.random.default_rng(3).random((32, 32, 3), dtype=np.float32)
    luma = image @ np.array([0.299, 0.587, 0.114])
    wave = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(32) / 31)
    transform = np.fft.fft2((luma - luma.mean()) * wave[:, None] * wave)
    expected: list[list[float]] = [[] for _ in range(17)]
    for row in range(32):
        for column in range(32):
            distance = np.hypot(min(row, 32 - row), min(column, 32 - column))
            expected[min(round(float(distance)), 16)].append(abs(transform[row, column]) ** 2)
    (found,) = power_spectra(image[None])
    np.testing.assert_allclose(found, [np.mean(band) for band in expected], rtol=1e-4)
    assert len(power_spectra(np.stack([image, image]))) == 2


def test_a_kernel_has_the_response_that_it_is_made_of() -> None:
    wanted = gaussian(CYCLES, 0.8)
    kernel = kernel_of(wanted)
    np.testing.assert_allclose(np.abs(np.fft.fft2(kernel, (PATCH, PATCH)))[0, :17], wanted, atol=0.03)
    np.testing.assert_allclose(kernel_of(np.ones(17)), DELTA, atol=1e-6)


def test_at_most_256_photographs_are_looked_at_evenly_spaced() -> None:
    asked: list[int] = []

    def drawer(rng: np.random.Generator, index: int) -> list[np.ndarray]:
        asked.append(index)
        return [np.full((PATCH, PATCH, 3), index, np.float32)] * 2

    rng = np.random.default_rng(0)
    assert gather(drawer, 1, rng).shape == (2, PATCH, PATCH, 3)
    gather(drawer, 5, rng)
    assert asked == [0, *range(5)]
    asked.clear()
    gather(drawer, 1000, rng)
    assert len(asked) == 256
    assert asked[0] == 0
    assert asked[-1] == 999
    assert set(np.diff(asked)) <= {3, 4}


# what a camera takes


def test_a_perfect_camera_changes_nothing() -> None:
    image = np.random.default_rng(0).random((40, 50, 3), dtype=np.float32)
    taken = Camera(DELTA, 0.0).degrade(np.random.default_rng(1), image)
    np.testing.assert_array_equal(taken, image[7:-7, 7:-7])


def test_a_camera_blurs_by_its_kernel_and_keeps_the_mean() -> None:
    rng = np.random.default_rng(0)
    kernel = np.full((15, 15), 1 / 225, np.float32)
    point = np.zeros((29, 29, 3), np.float32)
    point[14, 14] = 0.9
    np.testing.assert_allclose(Camera(kernel, 0.0).degrade(rng, point), 0.9 / 225, atol=1e-7)
    even = np.full((40, 40, 3), (0.2, 0.5, 0.7), np.float32)
    np.testing.assert_allclose(Camera(kernel, 0.0).degrade(rng, even), even[7:-7, 7:-7], atol=1e-6)


def test_noise_is_drawn_for_each_colour_and_clipped() -> None:
    camera, rng = Camera(DELTA, 0.02), np.random.default_rng(0)
    noise = camera.degrade(rng, np.full((214, 214, 3), 0.5, np.float32)) - 0.5
    np.testing.assert_allclose(noise.std(axis=(0, 1)), 0.02, rtol=0.02)
    np.testing.assert_allclose(noise.mean(axis=(0, 1)), 0, atol=5e-4)
    np.testing.assert_allclose(np.corrcoef(noise.reshape(-1, 3).T), np.eye(3), atol=0.02)
    black = camera.degrade(rng, np.zeros((64, 64, 3), np.float32))
    assert black.min() == 0
    assert 0 < black.max() < 0.2


def test_a_camera_says_what_it_is() -> None:
    assert Camera(DELTA, 2 / 255).describe() == (
        "contrast kept 1.00 at 0.125, 1.00 at 0.25, 1.00 at 0.375 cycles per LR pixel; noise 2.0 levels"
    )


# the data set


def save(folder: Path, planes: np.ndarray, noise: float = 0.0) -> None:
    """Write scenes as files: gray in mid tones, with noise in levels."""
    rng = np.random.default_rng(4)
    folder.mkdir()
    for number, plane in enumerate(planes):
        levels = 255 * (np.repeat(plane[..., None], 3, axis=2) + 0.5)
        levels = levels + noise * rng.standard_normal(levels.shape)
        assert cv2.imwrite(str(folder / f"{number}.png"), levels.round().clip(0, 255).astype(np.uint8))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Source scenes ``hr``, and a ``target`` behind a Gaussian lens of one LR pixel with noise of 3 levels."""
    root = tmp_path_factory.mktemp("scenes")
    save(root / "hr", scenes(8, 0, 256))
    save(root / "target", np.stack([bicubic_downsample(plane, 2) for plane in blurred(scenes(8, 1, 256), 2.0)]), 3.0)
    return root


@pytest.fixture
def opt(folders: Path, tmp_path: Path) -> dict[str, Any]:
    shutil.copytree(folders, tmp_path, dirs_exist_ok=True)
    roots = {"dataroot_gt": str(tmp_path / "hr"), "dataroot_target": str(tmp_path / "target")}
    return {**roots, "scale": 2, "gt_size": 48, "seed": 7, "degradation": "camera"}


def camera_of(dataset: USRDADataset) -> Camera:
    found: Camera | None = dataset.pairs.camera  # type: ignore[attr-defined]
    assert found is not None
    return found


def test_the_data_set_finds_the_camera_of_its_target(opt: dict[str, Any]) -> None:
    camera = camera_of(USRDADataset(opt))
    assert camera.noise / LEVEL == pytest.approx(3, rel=0.15)
    # relative to the content that both show, as above
    expected = gaussian(CYCLES, 1.0) / np.sqrt((gaussian(CYCLES[CONTENT], 1.0) ** 2).mean())
    np.testing.assert_allclose(response(camera)[[4, 6, 8]], expected[[4, 6, 8]], atol=0.12)


def test_the_camera_depends_on_the_seed_and_the_images_alone(opt: dict[str, Any]) -> None:
    first = camera_of(USRDADataset(opt))
    np.random.seed(5)
    torch.manual_seed(5)
    same = {**opt, "gt_size": 32, "use_rot": False, "cache_in_memory": True}
    for again in (camera_of(USRDADataset(opt)), camera_of(USRDADataset(same))):
        assert np.array_equal(again.kernel, first.kernel)
        assert again.noise == first.noise
    other = camera_of(USRDADataset({**opt, "seed": 8}))
    assert not np.array_equal(other.kernel, first.kernel)
    np.testing.assert_allclose(other.kernel, first.kernel, atol=0.05)


def test_lmdbs_give_the_camera_and_the_samples_of_their_folders(opt: dict[str, Any]) -> None:
    lmdbs = {key: f"{opt[key]}.lmdb" for key in ("dataroot_gt", "dataroot_target")}
    for key, path in lmdbs.items():
        make_lmdb(opt[key], path)
    one, other = USRDADataset(opt), USRDADataset({**opt, **lmdbs})
    assert np.array_equal(camera_of(one).kernel, camera_of(other).kernel)
    assert all(torch.equal(one[3][name], other[3][name]) for name in ("x_s", "y_s", "x_t"))


def test_16_bit_and_gray_files_show_the_same_camera(opt: dict[str, Any], tmp_path: Path) -> None:
    deep, gray = {}, {}
    for key in ("dataroot_gt", "dataroot_target"):
        deep[key], gray[key] = str(tmp_path / f"deep_{key}"), str(tmp_path / f"gray_{key}")
        for file in sorted(Path(opt[key]).iterdir()):
            for folder, image in (
                (deep[key], cv2.imread(str(file)).astype(np.uint16) * 257),
                (gray[key], cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)),
            ):
                Path(folder).mkdir(exist_ok=True)
                assert cv2.imwrite(f"{folder}/{file.name}", image)
    expected = camera_of(USRDADataset(opt))
    found = camera_of(USRDADataset({**opt, **deep}))
    np.testing.assert_allclose(found.kernel, expected.kernel, atol=1e-6)
    assert found.noise == pytest.approx(expected.noise, rel=1e-4)
    # gray is the mean of the colours' noises, which is less
    assert camera_of(USRDADataset({**opt, **gray})).kernel[REACH, REACH] == pytest.approx(
        float(expected.kernel[REACH, REACH]), rel=0.1
    )


def test_pairs_stay_aligned_in_every_pose(opt: dict[str, Any]) -> None:
    dataset = USRDADataset({**opt, "gt_size": 96})
    for number in range(12):
        sample = dataset[number]
        assert sample["x_s"].shape == (3, 48, 48)
        assert sample["y_s"].shape == (3, 96, 96)
        x_s = sample["x_s"][1].numpy()
        shrunken = bicubic_downsample(sample["y_s"][1].numpy(), 2)
        inside = shrunken[4:-4, 4:-4]
        shifts = {
            (down, right): np.corrcoef(inside.ravel(), x_s[4 + down : 44 + down, 4 + right : 44 + right].ravel())[0, 1]
            for down in (-1, 0, 1)
            for right in (-1, 0, 1)
        }
        assert max(shifts, key=lambda shift: shifts[shift]) == (0, 0)
        # neither flipped: to both sides alike
        assert shifts[0, 1] == pytest.approx(shifts[0, -1], abs=0.02)


def test_the_samples_show_the_blur_and_noise_of_the_target(opt: dict[str, Any]) -> None:
    """The camera of what is made, found as the target's was, is the target's."""
    dataset = USRDADataset({**opt, "gt_size": 64, "use_rot": False, "use_hflip": False})
    samples = [dataset[number] for number in range(300)]
    made, real = (np.stack([sample[name].numpy().transpose(1, 2, 0) for sample in samples]) for name in ("x_s", "x_t"))
    ratio = power_spectra(made).mean(axis=0) / power_spectra(real).mean(axis=0)
    decibels = 10 * np.log10(ratio / ratio[CONTENT].mean())
    assert np.abs(decibels[4:10]).max() < 1.5
    assert np.abs(decibels[12:]).max() < 1.5


def test_what_else_is_drawn_stays_as_it_is_without_a_camera(opt: dict[str, Any]) -> None:
    """Images, poses and target patches; the place is another one, since more of the border is left out."""
    with_camera, without = USRDADataset(opt), USRDADataset({**opt, "degradation": "bicubic"})
    for number in range(10):
        one, other = with_camera[number], without[number]
        assert one["gt_path"] == other["gt_path"]
        assert torch.equal(one["x_t"], other["x_t"])
        assert not torch.equal(one["x_s"], other["x_s"])


def test_bicubic_is_what_it_is_without_the_option(opt: dict[str, Any]) -> None:
    bicubic = USRDADataset({**opt, "degradation": "bicubic"})
    without = USRDADataset({key: value for key, value in opt.items() if key != "degradation"})
    empty = USRDADataset({**opt, "degradation": None})
    for number in range(6):
        for name in ("x_s", "y_s", "x_t"):
            assert torch.equal(bicubic[number][name], without[number][name])
            assert torch.equal(empty[number][name], without[number][name])


def test_lr_images_have_8_bits_unless_told_otherwise(opt: dict[str, Any]) -> None:
    def off_levels(**more: Any) -> float:
        lr = USRDADataset({**opt, **more})[0]["x_s"] * 255
        return float((lr - lr.round()).abs().max())

    assert off_levels() < 1e-4
    assert off_levels(quantize=False) > 0.1


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_the_same_with_any_number_of_workers(workers: int, opt: dict[str, Any]) -> None:
    dataset = USRDADataset(opt)
    expected = [dataset[number] for number in range(8)]
    context = {"multiprocessing_context": "fork"} if workers else {}
    loader: Any = DataLoader(USRDADataset(opt), batch_size=4, num_workers=workers, sampler=range(8), **context)
    found = list(loader)
    for name in ("x_s", "y_s", "x_t"):
        assert torch.equal(torch.cat([batch[name] for batch in found]), torch.stack([one[name] for one in expected]))


def test_photographs_with_room_for_no_more_than_a_patch_get_mirrored_edges(opt: dict[str, Any]) -> None:
    sample = USRDADataset({**opt, "gt_size": 256})[0]
    assert sample["y_s"].shape == (3, 256, 256)
    assert sample["x_s"].shape == (3, 128, 128)


# what is refused


def test_without_a_target_or_with_given_lr_images_there_is_no_camera(opt: dict[str, Any]) -> None:
    alone = {key: value for key, value in opt.items() if key != "dataroot_target"}
    with pytest.raises(
        ValueError, match=r"degradation: .*there are none; give dataroot_target, or write degradation: bicubic"
    ):
        USRDADataset(alone)
    with pytest.raises(ValueError, match=r"degradation: .*; remove dataroot_lq, or write degradation: bicubic"):
        USRDADataset({**opt, "dataroot_lq": opt["dataroot_gt"], "scale": 1})
    with pytest.raises(ValueError, match=r"must be bicubic, camera or a camera's file \(\.json\), found 'blur'"):
        USRDADataset({**opt, "degradation": "blur"})


@pytest.mark.parametrize(("root", "side"), [("dataroot_gt", 71), ("dataroot_target", 31)])
def test_an_image_without_room_for_a_spectrum_is_named(
    root: str, side: int, opt: dict[str, Any], write: Write, noise: Callable[..., np.ndarray]
) -> None:
    write(Path(opt[root]) / "small.png", noise(90, side))
    with pytest.raises(ValueError, match=rf"small\.png is 90x{side} .*{side + 1}x{side + 1}; .* degradation: bicubic"):
        USRDADataset(opt)
    write(Path(opt[root]) / "small.png", noise(90, side + 1))
    USRDADataset(opt).check_images()


@pytest.mark.parametrize(("root", "side"), [("dataroot_gt", 71), ("dataroot_target", 31)])
def test_small_images_that_no_camera_was_estimated_from_are_listed_too(
    root: str, side: int, opt: dict[str, Any], write: Write, noise: Callable[..., np.ndarray]
) -> None:
    dataset = USRDADataset(opt)
    write(Path(opt[root]) / "0.png", noise(90, side))
    with pytest.raises(ValueError, match=rf"0\.png is 90x{side} .*degradation: bicubic"):
        dataset.check_images()


@pytest.mark.parametrize("root", ["dataroot_gt", "dataroot_target"])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_images_of_one_colour_are_refused(root: str, level: int, opt: dict[str, Any], write: Write) -> None:
    for number in range(8):
        write(Path(opt[root]) / f"{number}.png", np.full((128, 128, 3), level, np.uint8))
    with pytest.raises(ValueError, match=rf"{root}: no camera can be estimated from .*even areas; .*bicubic"):
        USRDADataset(opt)


# real photographs


@pytest.mark.parametrize(("phone", "noise", "quarter"), [("nikon", (1, 4), (0.4, 0.7)), ("iphone", (3, 8), (0.7, 1.0))])
def test_the_cameras_of_city100_are_found(
    phone: str, noise: tuple[float, float], quarter: tuple[float, float], shared_data: Path
) -> None:
    target = shared_data / "target_lr" / f"city100_{phone}" / "LRx2"
    options = {"dataroot_gt": str(shared_data / "train_hr" / "bsds"), "dataroot_target": str(target)}
    camera = camera_of(USRDADataset({**options, "scale": 2, "gt_size": 64, "degradation": "camera"}))
    assert noise[0] < camera.noise / LEVEL < noise[1]
    kept = response(camera)
    assert quarter[0] < kept[8] < quarter[1], "at a quarter of the sampling frequency"
    assert kept[12] < 0.4, "near the Nyquist frequency"
    assert kept[1] == pytest.approx(1, abs=0.05)

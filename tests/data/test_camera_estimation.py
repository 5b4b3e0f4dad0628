"""A camera from files: the numbers of a training, natural pictures whose truth is known, and what is left out."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import fft
from scipy.special import j1

from usrda_plugin.data import Camera, USRDADataset, bicubic_downsample, bundled_photographs, camera_estimation
from usrda_plugin.data.bundled import BUNDLED
from usrda_plugin.data.camera import CONTENT, PATCH, Origin
from usrda_plugin.data.camera_estimation import Estimate, EvenAreasError, estimate_from_files

Lens = Callable[[np.ndarray], np.ndarray]
CYCLES = np.arange(PATCH // 2 + 1) / PATCH
OFTEN = 4
"""Times that each of few photographs is given, so that chance in the choice of places counts less."""


def gaussian(sigma: float) -> Lens:
    """The frequency response of a Gaussian blur of ``sigma`` LR pixels."""
    return lambda cycles: np.exp(-2 * (np.pi * sigma * cycles) ** 2)


def defocus(radius: float) -> Lens:
    """The frequency response of a disc of ``radius`` LR pixels."""

    def lens(cycles: np.ndarray) -> np.ndarray:
        x = 2 * np.pi * radius * np.maximum(cycles, 1e-9)
        return 2 * j1(x) / x

    return lens


LENSES = {
    "gaussian .5": gaussian(0.5),
    "gaussian .8": gaussian(0.8),
    "gaussian 1.2": gaussian(1.2),
    "defocus 1": defocus(1.0),
    "defocus 1.7": defocus(1.7),
}


QUICK = ("gaussian .5", "gaussian 1.2", "defocus 1.7")


def behind(image: np.ndarray, lens: Lens, scale: int) -> np.ndarray:
    """An HR image behind a lens, whose response counts in LR pixels, by the theorem of convolution."""
    margin = 32
    wide = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="symmetric")
    rows, columns = np.fft.fftfreq(wide.shape[0]) * scale, np.fft.rfftfreq(wide.shape[1]) * scale
    passed = lens(np.hypot(rows[:, None], columns)).astype(np.float32)[..., None]
    spectrum = fft.rfft2(wide, axes=(0, 1)) * passed
    blurred: np.ndarray = fft.irfft2(spectrum, wide.shape[:2], axes=(0, 1))
    return blurred[margin:-margin, margin:-margin]


@cache
def lr_images(lens: Lens, scale: int) -> dict[str, np.ndarray]:
    """The photographs of scikit-image behind a lens and shrunk, by their names."""
    shown = {file.stem: cv2.imread(str(file)).astype(np.float32) for file in bundled_photographs()}
    return {name: bicubic_downsample(behind(hr, lens, scale), scale) for name, hr in shown.items()}


def photographed(folder: Path, lens: Lens, noise: float, scale: int) -> list[Path]:
    """What a camera with this lens and noise, in levels, makes of the photographs of scikit-image."""
    rng, files = np.random.default_rng(3), []
    for name, clean in lr_images(lens, scale).items():
        lr = clean + noise * rng.standard_normal(clean.shape, dtype=np.float32)
        files.append(folder / f"{name}.png")
        assert cv2.imwrite(str(files[-1]), lr.round().clip(0, 255).astype(np.uint8))
    return files


# the truth is known


def tolerances(lens: Lens, scale: int) -> tuple[float, float]:
    """How far noise, in levels beside 15 %, and contrast may be off: fine detail of small LR images passes for noise.

    Behind a lens that is hardly one, at scale 3 and 4, that is up to 3 levels, and the contrast of the finest detail,
    of which the noise was taken, is as much too low; docs/camera.md says so.
    """
    if scale == 2:
        return 1.2, 0.1
    return (3.1, 0.15) if lens is LENSES["gaussian .5"] else (1.5, 0.1)


def check_truth(lens: Lens, noise: float, scale: int, folder: Path) -> None:
    """Noise within its tolerance, and the response within its, where the lens keeps more than .3 of the contrast."""
    photographs = photographed(folder, lens, noise, scale) * OFTEN
    camera = estimate_from_files(photographs, bundled_photographs() * OFTEN, scale=scale).camera
    levels, contrast = tolerances(lens, scale)
    assert 255 * camera.noise == pytest.approx(noise, rel=0.15, abs=levels)
    # the two domains are set equal at the frequencies of CONTENT, which a lens dims as well
    truth = np.abs(lens(CYCLES)) / np.sqrt((lens(CYCLES[CONTENT]) ** 2).mean())
    seen = (truth > 0.3) & (np.arange(len(CYCLES)) >= CONTENT.stop)
    np.testing.assert_allclose(camera.response()[seen], truth[seen], atol=contrast)


@pytest.mark.parametrize("noise", [0, 4])
@pytest.mark.parametrize("lens", [LENSES[name] for name in QUICK], ids=QUICK)
def test_a_known_lens_and_known_noise_are_found_in_natural_pictures(lens: Lens, noise: int, tmp_path: Path) -> None:
    check_truth(lens, noise, 2, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("noise", [0, 1, 2, 3, 6])
@pytest.mark.parametrize("lens", LENSES.values(), ids=[*LENSES])
def test_every_strength_is_found_at_every_scale(lens: Lens, noise: int, scale: int, tmp_path: Path) -> None:
    check_truth(lens, noise, scale, tmp_path)


@pytest.mark.slow
def test_more_blur_and_more_noise_are_found_to_be_more(tmp_path: Path) -> None:
    def found(lens: Lens, noise: float) -> Camera:
        photographs = photographed(tmp_path, lens, noise, 2)
        return estimate_from_files(photographs * OFTEN, bundled_photographs() * OFTEN, scale=2).camera

    kept = [found(gaussian(sigma), 2).response()[8] for sigma in (0.4, 0.6, 0.8, 1.0, 1.2)]
    assert kept == sorted(kept, reverse=True)
    noises = [found(gaussian(1.0), noise).noise for noise in (0, 1, 2, 4, 8, 12)]
    assert noises == sorted(noises)


# the numbers of a training


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """``hr`` with the photographs of scikit-image, and ``target`` with what a camera makes of them."""
    hr, target = tmp_path / "hr", tmp_path / "target"
    hr.mkdir()
    target.mkdir()
    for file in bundled_photographs():
        shutil.copy(file, hr)
    photographed(target, LENSES["gaussian .8"], 3, 2)
    return hr, target


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


@pytest.mark.parametrize(("scale", "seed"), [(2, 0), (2, 7), (3, 5)])
def test_files_and_the_data_set_give_the_same_camera_bit_for_bit(
    scale: int, seed: int, folders: tuple[Path, Path]
) -> None:
    hr, target = folders
    roots = {"dataroot_gt": str(hr), "dataroot_target": str(target), "degradation": "camera"}
    dataset = USRDADataset({**roots, "scale": scale, "gt_size": 24, "seed": seed})
    camera: Camera = dataset.pairs.camera  # type: ignore[attr-defined]
    found = estimate_from_files(files(target), files(hr), scale=scale, seed=seed)
    assert found.camera.kernel.tobytes() == camera.kernel.tobytes()
    assert found.camera.noise == camera.noise
    assert found.camera.origin == camera.origin == Origin(scale, 6, 6)
    other = estimate_from_files(files(target), files(hr), scale=scale, seed=seed + 1).camera
    assert other.kernel.tobytes() != camera.kernel.tobytes()


def test_where_the_files_lie_does_not_matter(folders: tuple[Path, Path], tmp_path: Path) -> None:
    hr, target = folders
    expected = estimate_from_files(files(target), files(hr), scale=2).camera
    for number, file in enumerate(files(target)):
        below = tmp_path / "album" / f"day {number}"
        below.mkdir(parents=True)
        shutil.copy(file, below / "photo.png")
    found = estimate_from_files(sorted((tmp_path / "album").rglob("*.png")), files(hr), scale=2).camera
    assert found.kernel.tobytes() == expected.kernel.tobytes()


# what is left out


def left_out(found: Estimate) -> dict[str, str]:
    return {file.name: why for file, why in found.left_out.items()}


def test_what_is_too_small_or_unreadable_is_left_out_and_told(
    folders: tuple[Path, Path], write: Callable, noise: Callable
) -> None:
    hr, target = folders
    expected = estimate_from_files(files(target), files(hr), scale=2)
    assert expected.left_out == {}
    assert (expected.photographs, expected.source) == (files(target), files(hr))
    write(target / "aa_small.png", noise(31, 90))
    (target / "bb_text.jpg").write_text("no picture")
    write(hr / "cc_small.png", noise(71, 90))
    found = estimate_from_files([*files(target), target / "none.png"], files(hr), scale=2)
    assert found.camera.kernel.tobytes() == expected.camera.kernel.tobytes()
    assert found.camera.origin == expected.camera.origin
    assert (found.photographs, found.source) == (expected.photographs, expected.source)
    told = left_out(found)
    assert [*told] == ["aa_small.png", "bb_text.jpg", "none.png", "cc_small.png"]
    assert told["aa_small.png"].endswith("expected 32 pixels a side or more, found 90x31")
    assert told["cc_small.png"].endswith("expected 72 pixels a side or more, found 90x71")
    assert "bb_text.jpg" in told["bb_text.jpg"]
    assert "none.png" in told["none.png"]


def test_photographs_whose_pixels_are_damaged_are_left_out(folders: tuple[Path, Path]) -> None:
    """Their headers and ends are right, so that only reading them shows it."""
    hr, target = folders
    names = [files(target)[1], files(target)[4]]
    expected = estimate_from_files([file for file in files(target) if file not in names], files(hr), scale=2)
    for file in names:
        content = bytearray(file.read_bytes())
        content[len(content) // 2 : len(content) // 2 + 400] = bytes(400)
        file.write_bytes(content)
    found = estimate_from_files(files(target), files(hr), scale=2)
    assert [*found.left_out] == names
    assert found.camera.kernel.tobytes() == expected.camera.kernel.tobytes()
    assert found.camera.noise == expected.camera.noise


def test_a_fault_that_does_not_come_again_is_not_searched_for_ever(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*given: object) -> Camera:
        raise OSError("the network is away")

    monkeypatch.setattr(camera_estimation, "estimate_from_images", away)
    with pytest.raises(OSError, match="the network is away"):
        estimate_from_files(files(folders[1]), files(folders[0]), scale=2)


def test_where_none_is_of_use_the_first_reason_is_told(
    folders: tuple[Path, Path], tmp_path: Path, write: Callable, noise: Callable
) -> None:
    hr, target = folders
    small = [write(tmp_path / f"{number}.png", noise(20, 20)) for number in range(3)]
    with pytest.raises(ValueError, match=r"expected photographs .* 32 pixels .* found none among 3: .*0\.png"):
        estimate_from_files(small, files(hr), scale=2)
    with pytest.raises(ValueError, match=r"expected source images .* 144 pixels .* found none among 3"):
        estimate_from_files(files(target), small, scale=4)
    with pytest.raises(ValueError, match="found none among 0"):
        estimate_from_files([], files(hr), scale=2)


def test_even_areas_are_refused(folders: tuple[Path, Path], tmp_path: Path, write: Callable) -> None:
    even = [write(tmp_path / "even.png", np.full((90, 90, 3), 128, np.uint8))]
    for pair in ((even, files(folders[0])), (files(folders[1]), even)):
        with pytest.raises(EvenAreasError, match=r"even\.png.* found even areas, which tell no blur; give others"):
            estimate_from_files(*pair, scale=2)


# the photographs that come with scikit-image


def test_the_photographs_of_scikit_image_are_there_and_large_enough_for_every_scale() -> None:
    photographs = bundled_photographs()
    assert [file.name for file in photographs] == [photograph.file for photograph in BUNDLED]
    for file in photographs:
        image = cv2.imread(str(file))
        assert min(image.shape[:2]) >= camera_estimation.room_for_camera(4)
    colour = [np.ptp(cv2.imread(str(file)).astype(int), axis=2).max() > 0 for file in photographs]
    assert colour == [True] * 4 + [False] * 2, "those in colour come first"


def test_each_of_them_is_free_for_any_use_and_says_by_whom() -> None:
    for photograph in BUNDLED:
        assert photograph.terms.split(", ")[0] in ("CC0", "public domain")
        assert photograph.terms.split(", ")[1]


def test_without_scikit_image_or_its_photographs_it_is_said_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("usrda_plugin.data.bundled.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r"astronaut\.png.*found no scikit-image; install scikit-image again"):
        bundled_photographs()
    monkeypatch.undo()
    elsewhere = type("Spec", (), {"origin": "/nowhere/skimage/__init__.py"})
    monkeypatch.setattr("usrda_plugin.data.bundled.find_spec", lambda name: elsewhere)
    with pytest.raises(FileNotFoundError, match=r"found none in /nowhere/skimage/data; .*HR photographs of your own"):
        bundled_photographs()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("photographs", "scale"), [("city100_nikon/LRx2", 2), ("city100_iphone/LRx2", 2), ("drealsr_olympus_x4", 4)]
)
def test_they_show_the_camera_that_many_sharp_photographs_show(photographs: str, scale: int, shared_data: Path) -> None:
    """A source that is too smooth or too rough would be taken for sharpening or blur of the camera."""
    sharp = [file for name in ("gb82", "cid22") for file in sorted((shared_data / "train_hr" / name).rglob("*.png"))]
    target = files(shared_data / "target_lr" / photographs)
    truth, found = (estimate_from_files(target, hr, scale=scale).camera for hr in (sharp, bundled_photographs()))
    np.testing.assert_allclose(found.response()[4:], truth.response()[4:], atol=0.1)
    assert abs(found.noise - truth.noise) < 0.5 / 255

"""Pictures that a program has enlarged are told from those that a lens has blurred."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.adaptation.scenes import scene
from usrda_plugin.adaptation.enlargement import luma, repeated_period
from usrda_plugin.data.pictures import decode_colour

PERIODS = {1.5: 3.0, 2: 2.0, 3: 3.0, 4: 4.0}
"""After how many pixels the places between those of the original come round, by the factor."""
REAL_EVERY = 12


@pytest.fixture(scope="module")
def natural() -> np.ndarray:
    """A picture of 320 x 320 pixels."""
    return scene(1000, 320, 320)


def by_opencv(how: int) -> Callable[[np.ndarray, float], np.ndarray]:
    return lambda picture, factor: cv2.resize(picture, None, fx=factor, fy=factor, interpolation=how)


def by_pillow(how: Image.Resampling) -> Callable[[np.ndarray, float], np.ndarray]:
    def enlarge(picture: np.ndarray, factor: float) -> np.ndarray:
        size = round(picture.shape[1] * factor), round(picture.shape[0] * factor)
        return np.asarray(Image.fromarray(picture).resize(size, how))

    return enlarge


ENLARGE = {
    "OpenCV bicubic": by_opencv(cv2.INTER_CUBIC),
    "OpenCV Lanczos": by_opencv(cv2.INTER_LANCZOS4),
    "Pillow bicubic": by_pillow(Image.Resampling.BICUBIC),
    "Pillow Lanczos": by_pillow(Image.Resampling.LANCZOS),
    "nearest": by_opencv(cv2.INTER_NEAREST),
}


def jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def blur(picture: np.ndarray, deviation: float) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), deviation)


def defocus(picture: np.ndarray, radius: int) -> np.ndarray:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)).astype(np.float32)
    return cv2.filter2D(picture, -1, disc / disc.sum())


def noisy(picture: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, deviation, picture.shape)
    return np.clip(picture + noise, 0, 255).round().astype(np.uint8)


def through_a_mosaic(picture: np.ndarray) -> np.ndarray:
    """One colour at each pixel, the others made of its neighbours, as cameras do."""
    mosaic = picture[..., 1].copy()
    mosaic[::2, ::2], mosaic[1::2, 1::2] = picture[::2, ::2, 0], picture[1::2, 1::2, 2]
    return cv2.cvtColor(mosaic, cv2.COLOR_BayerRG2RGB)


NOT_ENLARGED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": lambda picture: picture,
    "blur 0.8": lambda picture: blur(picture, 0.8),
    "blur 1.5": lambda picture: blur(picture, 1.5),
    "blur 3": lambda picture: blur(picture, 3),
    "defocus 2": lambda picture: defocus(picture, 2),
    "defocus 4": lambda picture: defocus(picture, 4),
    "JPEG 60": lambda picture: jpeg(picture, 60),
    "JPEG 30": lambda picture: jpeg(picture, 30),
    "blur, JPEG 60": lambda picture: jpeg(blur(picture, 1.5), 60),
    "defocus, JPEG 90": lambda picture: jpeg(defocus(picture, 2), 90),
    "noise removed": lambda picture: cv2.bilateralFilter(noisy(picture, 8), 5, 50, 2),
    "median": lambda picture: cv2.medianBlur(noisy(picture, 8), 3),
    "mosaic": lambda picture: through_a_mosaic(noisy(blur(picture, 0.7), 3)),
    "mosaic, out of focus": lambda picture: through_a_mosaic(noisy(defocus(picture, 3), 2)),
    "mosaic, blurred": lambda picture: blur(through_a_mosaic(picture), 1.5),
    "sharpened": lambda picture: cv2.addWeighted(picture, 2, blur(picture, 1.5), -1, 0),
    "shrunk to 3/4, linear": lambda picture: by_opencv(cv2.INTER_LINEAR)(picture, 0.75),
    "shrunk to 2/3, bicubic": lambda picture: by_opencv(cv2.INTER_CUBIC)(picture, 2 / 3),
    "shrunk to 0.8, Lanczos": lambda picture: by_pillow(Image.Resampling.LANCZOS)(picture, 0.8),
    "noise alone": lambda picture: noisy(np.full_like(picture, 128), 4),
    "stripes": lambda picture: np.broadcast_to(np.arange(320)[:, None, None] % 4 * 60, (320, 320, 3)).astype(np.uint8),
    "a wide margin": lambda picture: cv2.copyMakeBorder(picture, 99, 99, 99, 99, cv2.BORDER_CONSTANT, value=(255,) * 3),
    "ramp": lambda picture: np.broadcast_to((np.arange(320) // 2)[None, :, None], (320, 320, 3)).astype(np.uint8),
}


@pytest.mark.parametrize("factor", PERIODS)
@pytest.mark.parametrize("how", ENLARGE)
def test_an_enlarged_picture_is_found(natural: np.ndarray, how: str, factor: float) -> None:
    assert repeated_period(ENLARGE[how](natural, factor)) == PERIODS[factor]


@pytest.mark.parametrize("quality", [98, 92])
def test_it_is_found_when_packed_afterwards(natural: np.ndarray, quality: int) -> None:
    assert repeated_period(jpeg(ENLARGE["Pillow bicubic"](natural, 3), quality)) == 3


def test_it_is_found_in_gray_and_in_16_bits(natural: np.ndarray) -> None:
    large = ENLARGE["Pillow Lanczos"](natural, 2)
    assert repeated_period(large[..., 1]) == 2
    assert repeated_period(large.astype(np.uint16) * 257) == 2


@pytest.mark.parametrize("what", NOT_ENLARGED)
def test_what_was_not_enlarged_is_not_found(natural: np.ndarray, what: str) -> None:
    assert repeated_period(np.ascontiguousarray(NOT_ENLARGED[what](natural))) is None


def test_a_picture_that_was_stretched_along_one_side_alone_is_not_found(natural: np.ndarray) -> None:
    stretched = cv2.resize(natural, (640, 320), interpolation=cv2.INTER_CUBIC)
    assert repeated_period(stretched) is None
    assert repeated_period(np.ascontiguousarray(stretched.swapaxes(0, 1))) is None


def test_what_is_too_small_to_tell_is_not_found(natural: np.ndarray) -> None:
    assert repeated_period(ENLARGE["nearest"](natural[:20, :20], 2)) is None


def test_luma_is_in_8_bit_levels_whatever_the_depth() -> None:
    white = np.full((2, 2, 3), 65535, np.uint16)
    assert np.allclose(luma(white), 255)
    assert np.allclose(luma(np.full((2, 2), 128, np.uint8)), 128)


@pytest.mark.parametrize("folder", ["target_lr/city100_nikon/LRx2", "target_lr/drealsr_olympus_x4", "train_hr/bsds"])
def test_no_real_photograph_is_taken_for_enlarged(folder: str, shared_data: Path) -> None:
    files = sorted((shared_data / folder).iterdir())[:: 1 if len(files_of(shared_data / folder)) < 50 else REAL_EVERY]
    assert [file.name for file in files if repeated_period(decode_colour(file.read_bytes(), file.name))] == []


def files_of(folder: Path) -> list[Path]:
    return list(folder.iterdir())

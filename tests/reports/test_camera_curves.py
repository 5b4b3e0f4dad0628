"""A camera as curves and in words."""

from __future__ import annotations

import numpy as np
import pytest

from usrda_plugin.data.camera import Camera
from usrda_plugin.reports.camera_curves import camera_curves


def camera(*across: float, noise: float = 0.0) -> Camera:
    kernel = np.zeros((15, 15), np.float32)
    start = 7 - len(across) // 2
    kernel[7, start : start + len(across)] = across
    return Camera(kernel, noise)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (camera(1), "hardly blurs"),
        (camera(0.25, 0.5, 0.25), "finer than 3.8 pixels"),
        (camera(-0.5, 2, -0.5), "up to 3.0"),
        (camera(1, noise=0.1 / 255), "No noise"),
        (camera(1, noise=4 / 255), "clear noise: a pixel is off by 4.0"),
    ],
)
def test_blur_sharpening_and_noise_are_said_in_words(given: Camera, words: str) -> None:
    assert words in " ".join(camera_curves(given).words)


def test_the_response_is_the_transform_of_the_kernel() -> None:
    # 0.5 + 0.5 cos(2 pi f): 1 at 0, one half at 0.25, 0 at 0.5
    response, blur, noise = camera_curves(camera(0.25, 0.5, 0.25, noise=2 / 255)).charts
    assert "from 1 at cycles per pixel 0 to 0 at cycles per pixel 0.5" in response.summary
    assert "highest 0.5" in blur.summary
    assert "from 6.7e-5 at 8-bit levels -8" in noise.summary


def test_of_a_camera_without_noise_no_noise_is_drawn() -> None:
    assert len(camera_curves(camera(1)).charts) == 2

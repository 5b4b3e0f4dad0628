"""docs/camera.md: its snippet for other programs, its table of keys, its commands; and the drawing that it explains."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from usrda_plugin.cli.usrda import build_parser
from usrda_plugin.data import Camera
from usrda_plugin.data.camera import kernel_of
from usrda_plugin.data.camera_file import CameraFile
from usrda_plugin.data.camera_plot import FORMATS, figure_of, plotted

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "camera.md").read_text(encoding="utf-8")
SHARPENING = kernel_of(np.linspace(1, 2, 17))
LOPSIDED = np.float32(1 / 225) + np.linspace(-0.004, 0.004, 225, dtype=np.float32).reshape(15, 15)


@pytest.fixture
def take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the page's snippet defines, for the camera that is saved first."""
    monkeypatch.chdir(tmp_path)
    [snippet] = re.findall(r"```python\n(.+?)```", PAGE, re.DOTALL)
    assert len(snippet.splitlines()) < 15

    def taker(camera: Camera) -> Any:
        camera.save("camera.json")
        names: dict[str, Any] = {}
        exec(snippet, names)
        return names["take"]

    return taker


@pytest.mark.parametrize("kernel", [SHARPENING, LOPSIDED], ids=["sharpening", "lopsided"])
def test_the_snippet_takes_an_image_as_the_camera_does(kernel: np.ndarray, take: Any) -> None:
    image = np.random.default_rng(0).random((40, 31, 3), dtype=np.float32)
    camera = Camera(kernel, 0.0)
    expected = np.rint(camera.degrade_whole(np.random.default_rng(1), image) * 255)
    found = take(camera)(image, np.random.default_rng(1))
    assert found.dtype == np.uint8
    off = np.abs(found.astype(int) - expected)
    assert off.max() <= 1
    assert (off > 0).mean() < 0.01


def test_the_snippet_makes_the_noise_of_the_camera(take: Any) -> None:
    gray = np.full((200, 200, 3), 0.5)
    found = take(Camera(SHARPENING, 6 / 255))(gray, np.random.default_rng(0)).astype(float)
    np.testing.assert_allclose(found.std(axis=(0, 1)), 6, rtol=0.02)
    np.testing.assert_allclose(np.corrcoef(found.reshape(-1, 3).T), np.eye(3), atol=0.02)


def test_every_key_of_the_file_stands_in_the_table() -> None:
    table = PAGE[PAGE.index("| key | what it is |") : PAGE.index("To take an LR image `lr`")]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == [*CameraFile.model_fields]


def test_the_commands_of_the_page_are_commands() -> None:
    lines = re.findall(r"^    usrda (.+)$", PAGE, re.MULTILINE)
    assert [line.split()[:2] for line in lines] == [["camera", "estimate"], ["camera", "apply"]]
    for line in lines:
        build_parser().parse_args(line.split())


# the drawing


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_same_camera_gives_the_same_drawing(suffix: str) -> None:
    camera = Camera(SHARPENING, 0.02)
    assert plotted(camera, suffix) == plotted(camera, suffix)


def test_the_curve_is_the_response_and_the_noise_is_told_in_levels() -> None:
    camera = Camera(SHARPENING, 3 / 255)
    contrast, kernel, noise = figure_of(camera).axes[:3]
    curve = next(line for line in contrast.lines if line.get_label() == "this camera")
    cycles, kept = (np.asarray(values) for values in curve.get_data())
    np.testing.assert_allclose(kept[cycles == 0.25], camera.response()[8], rtol=1e-6)
    assert cycles[-1] == 0.5
    assert contrast.get_ylim()[1] > kept.max(), "all of it is seen"
    np.testing.assert_array_equal(kernel.images[0].get_array(), SHARPENING)
    assert "3.0 of 255 levels" in noise.get_title()
    shades = np.asarray(noise.images[0].get_array())
    middle = shades[len(shades) // 3 : 2 * len(shades) // 3]
    half = middle.shape[1] // 2
    assert middle[:, :half].std() == pytest.approx(3 / 255, rel=0.1)
    assert middle[:, half:].std() == pytest.approx(15 / 255, rel=0.1)

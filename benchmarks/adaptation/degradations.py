"""The synthetic target cameras: what each makes of a scene, in the order blur, antialiased bicubic, noise, sharpening,
JPEG.

The blur acts on HR pixels. Bicubic keeps LR pixels where the source's are: plain decimation would shift the image by
a part of a pixel, and no photograph without its partner can tell of that.
"""

from __future__ import annotations

from typing import NamedTuple
from zlib import crc32

import cv2
import numpy as np

from usrda_plugin.data import bicubic_downsample

SENSOR_BLUR = 0.7  # LR pixels, standard deviation of a Gaussian
READ_NOISE = 1.5  # levels, standard deviation in the dark
SHOT_NOISE = 0.05  # levels, variance for each level of light: about 3 levels in mid gray
JPEG_QUALITY = 85
DEFOCUS = 1.0  # LR pixels, radius of the disc that a point becomes

SHAKE = 1.6  # LR pixels, length of the straight line that a point becomes
SHAKE_ANGLE = 30  # degrees from the rows
LOW_LIGHT = 0.12  # levels, variance for each level of light: about 4 levels in mid gray
SHARPENING = 0.8  # how much of the difference to its blur is added to the image, noise and all
COARSE_QUALITY = 70


class Camera(NamedTuple):
    """A camera by what it does to light.

    Lengths in LR pixels, the angle in degrees from the rows, noise in levels of 255.
    """

    blur: float = 0.0
    defocus: float = 0.0
    shake: float = 0.0
    shake_angle: float = 0.0
    read_noise: float = 0.0
    shot_noise: float = 0.0
    sharpening: float = 0.0
    jpeg_quality: int | None = None


CAMERAS = {
    "sensor": Camera(blur=SENSOR_BLUR, read_noise=READ_NOISE, shot_noise=SHOT_NOISE, jpeg_quality=JPEG_QUALITY),
    "optics": Camera(defocus=DEFOCUS),
    "shaken": Camera(shake=SHAKE, shake_angle=SHAKE_ANGLE, read_noise=READ_NOISE, shot_noise=LOW_LIGHT,
                     sharpening=SHARPENING, jpeg_quality=COARSE_QUALITY),
}  # fmt: skip


def photograph(scene: np.ndarray, camera: Camera, factor: int, name: str) -> np.ndarray:
    """What a camera makes of a scene, (H, W, 3) uint8 to (H // factor, W // factor, 3) uint8; noise drawn by name."""
    light = blurred(scene.astype(np.float32), camera, factor)
    light = np.clip(bicubic_downsample(light, factor), 0, 255)
    spread = np.sqrt(camera.read_noise**2 + camera.shot_noise * light)
    noise = np.random.default_rng(crc32(name.encode())).normal(size=light.shape) * spread
    levels = np.clip(np.rint(sharpened(light + noise, camera.sharpening)), 0, 255).astype(np.uint8)
    return levels if camera.jpeg_quality is None else compressed(levels, camera.jpeg_quality)


def blurred(scene: np.ndarray, camera: Camera, factor: int) -> np.ndarray:
    """A scene, float32 HWC, behind the camera's lens."""
    if camera.blur:
        scene = cv2.GaussianBlur(scene, (0, 0), camera.blur * factor, borderType=cv2.BORDER_REFLECT_101)
    if camera.defocus:
        scene = cv2.filter2D(scene, -1, disc(camera.defocus * factor), borderType=cv2.BORDER_REFLECT_101)
    if camera.shake:
        scene = cv2.filter2D(
            scene, -1, line(camera.shake * factor, camera.shake_angle), borderType=cv2.BORDER_REFLECT_101
        )
    return scene


def sharpened(image: np.ndarray, amount: float) -> np.ndarray:
    """An image, float HWC, by an unsharp mask of one pixel's standard deviation, as cameras do to what they saw."""
    if not amount:
        return image
    return image + amount * (image - cv2.GaussianBlur(image, (0, 0), 1.0, borderType=cv2.BORDER_REFLECT_101))


def disc(radius: float, finer: int = 16) -> np.ndarray:
    """A disc of ``radius`` HR pixels as a kernel of sum 1; edge pixels count by how much of them it covers."""
    reach = int(np.ceil(radius + 0.5)) - 1
    side = 2 * reach + 1
    place = (np.arange(side * finer) + 0.5) / finer - side / 2
    inside = (np.hypot(place[:, None], place[None]) <= radius).astype(np.float64)
    cover = inside.reshape(side, finer, side, finer).mean(axis=(1, 3))
    return cover / cover.sum()


def line(length: float, angle: float, finer: int = 16) -> np.ndarray:
    """A straight line of ``length`` HR pixels through the middle as a kernel of sum 1: a camera that moved.

    ``angle``: degrees from the rows.
    """
    reach = int(np.ceil(length / 2 + 0.5))
    along = (np.arange(finer * 2 * reach) + 0.5) / (finer * 2 * reach) - 0.5
    turns = (-np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle)))
    places = [along * length * turn + reach for turn in turns]
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    corners = [np.floor(place).astype(int) for place in places]
    parts = [place - corner for place, corner in zip(places, corners, strict=True)]
    for down, right in np.ndindex(2, 2):  # each point of the line is shared by the four pixels around it
        weights = [part if step else 1 - part for part, step in zip(parts, (down, right), strict=True)]
        np.add.at(kernel, (corners[0] + down, corners[1] + right), weights[0] * weights[1])
    return kernel / kernel.sum()


def compressed(levels: np.ndarray, quality: int) -> np.ndarray:
    """An image as JPEG hands it back."""
    _, file = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(file, cv2.IMREAD_COLOR)

"""The demo's photographs: those that come installed with scikit-image, and a camera that the training does not know."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import skimage

from usrda_plugin.data import bicubic_downsample

# three groups without a scene in common; gray photographs are sources and targets like any other
SOURCE = ("coffee.png", "rocket.jpg", "motorcycle_left.png", "motorcycle_right.png", "camera.png", "brick.png")
TARGET = ("coins.png", "gravel.png", "ihc.png", "retina.jpg", "moon.png")
VALIDATION = ("astronaut.png", "chelsea.png", "hubble_deep_field.jpg")
GROUPS = {"source": SOURCE, "target": TARGET, "validation": VALIDATION}

SCALE = 2
BLUR = 0.8  # HR pixels, standard deviation of the lens
NOISE = 0.05  # of full range, standard deviation of the sensor, each colour by itself
JPEG_QUALITY = 90


# no two photographs have the same noise
FIRST_SEED = {"target_lr": 0, "val_lr": 100}


def photograph(name: str) -> np.ndarray:
    """A photograph of scikit-image, HWC BGR uint8, cut to a multiple of the scale."""
    image = cv2.imread(str(Path(skimage.__file__).parent / "data" / name), cv2.IMREAD_COLOR)
    if image is None:
        raise FileNotFoundError(f"scikit-image {skimage.__version__} comes without {name}; the demo needs it")
    height, width = (length - length % SCALE for length in image.shape[:2])
    return image[:height, :width]


def camera(scene: np.ndarray, seed: int) -> np.ndarray:
    """What the unknown camera makes of a scene: lens blur, half the resolution, sensor noise, JPEG. uint8 to uint8."""
    blurred = cv2.GaussianBlur(scene.astype(np.float32) / 255, (0, 0), BLUR)
    light = np.clip(bicubic_downsample(blurred, SCALE), 0, 1)
    noise = np.random.default_rng(seed).normal(scale=NOISE, size=light.shape)
    levels = np.clip((light + noise) * 255 + 0.5, 0, 255).astype(np.uint8)
    _, file = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return cv2.imdecode(file, cv2.IMREAD_COLOR)


def write_photographs(folder: Path) -> None:
    """Write the four folders of the demo: source_hr, target_lr, and the validation pairs val_hr and val_lr."""
    groups = {"source_hr": SOURCE, "target_lr": TARGET, "val_hr": VALIDATION, "val_lr": VALIDATION}
    for group, names in groups.items():
        (folder / group).mkdir(parents=True, exist_ok=True)
        for number, name in enumerate(names):
            scene = photograph(name)
            image = camera(scene, FIRST_SEED[group] + number) if group in FIRST_SEED else scene
            cv2.imwrite(str(folder / group / f"{Path(name).stem}.png"), image)

"""Photographs for the loader's benchmark: the same ones in every storage, and the data sets that read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import skimage
import torch
from torch.utils.data import Dataset

NAMES = ("coffee.png", "rocket.jpg", "motorcycle_left.png", "astronaut.png", "chelsea.png", "retina.jpg",
         "motorcycle_right.png", "hubble_deep_field.jpg")  # fmt: skip
GRAIN = 2.0  # levels, standard deviation: with it PNG needs as much of the raw size as for photographs, about a half
JPEG_QUALITY = 95


class PhotographSet(NamedTuple):
    """So many photographs of one size (HR pixels), cut into tiles of ``crop``, which overlap by half."""

    name: str
    height: int
    width: int
    count: int
    crop: int
    gt_size: int = 128
    scale: int = 4


SETS = (PhotographSet("2040x1404", 1404, 2040, 8, 480), PhotographSet("480x320", 320, 480, 40, 240))
TINY = PhotographSet("120x96", 96, 120, 4, 64, gt_size=32)


def write_set(folder: Path, photographs: PhotographSet) -> dict[str, Dataset]:
    """Write the photographs in every storage; returns the candidates by name."""
    for number in range(photographs.count):
        hr = photograph(number, photographs)
        for kind, image in (("hr", hr), ("lr", shrunken(hr, photographs.scale))):
            write(folder / f"{kind}_png" / f"{number:03d}.png", image, [])
            write(folder / f"{kind}_jpeg" / f"{number:03d}.jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    write_lmdbs(folder, photographs)
    return candidates(folder, photographs)


def photograph(number: int, photographs: PhotographSet) -> np.ndarray:
    """A photograph of scikit-image, enlarged where it must be, with its own fine texture and grain. HWC BGR uint8."""
    image = cv2.imread(str(Path(skimage.__file__).parent / "data" / NAMES[number % len(NAMES)]))
    if image is None:
        raise FileNotFoundError(f"scikit-image {skimage.__version__} comes without {NAMES[number % len(NAMES)]}")
    if number // len(NAMES) % 2:
        image = np.ascontiguousarray(image[:, ::-1])
    height, width = photographs.height, photographs.width
    factor = max(height / image.shape[0], width / image.shape[1], 1)
    enlarged = cv2.resize(image, None, fx=factor + 1e-3, fy=factor + 1e-3, interpolation=cv2.INTER_LANCZOS4)
    rng = np.random.default_rng(number)
    top, left = (
        int(rng.integers(have - want + 1)) for have, want in zip(enlarged.shape, (height, width), strict=False)
    )
    scene = enlarged[top : top + height, left : left + width].astype(np.float32)
    tiled = np.tile(image, (height // image.shape[0] + 1, width // image.shape[1] + 1, 1))[:height, :width]
    texture = tiled.astype(np.float32) - cv2.GaussianBlur(tiled.astype(np.float32), (0, 0), 2)
    grain = rng.normal(scale=GRAIN, size=(height, width, 1)).astype(np.float32)
    return np.clip(scene + texture * (factor > 1) / 2 + grain + 0.5, 0, 255).astype(np.uint8)


def shrunken(image: np.ndarray, scale: int) -> np.ndarray:
    """The LR image of a pair."""
    from usrda_plugin.data import bicubic_downsample

    return bicubic_downsample(image, scale)


def write(file: Path, image: np.ndarray, parameters: list[int]) -> None:
    """Write an image file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(file), image, parameters), file


def write_lmdbs(folder: Path, photographs: PhotographSet) -> None:
    """HR and LR, whole and as tiles, as PNG and uncompressed; the tiles of both show the same places."""
    from usrda_plugin.data import TilingSpec, make_lmdb
    from usrda_plugin.data.pictures import ENCODINGS

    for kind, shrink in (("hr", 1), ("lr", photographs.scale)):
        tiles = photographs.crop // shrink
        for encoding in ENCODINGS:
            source = folder / f"{kind}_png"
            make_lmdb(source, folder / f"{kind}_{encoding}.lmdb", encoding=encoding)
            tiling = TilingSpec(tiles, tiles // 2)
            make_lmdb(source, folder / f"{kind}_{encoding}_tiles.lmdb", tiling=tiling, encoding=encoding)


def candidates(folder: Path, photographs: PhotographSet) -> dict[str, Dataset]:
    """The data sets that are compared, by name; the LR images serve USRDADataset as its target."""
    from basicsr.data.paired_image_dataset import PairedImageDataset

    from usrda_plugin.data import USRDADataset

    common = {"scale": photographs.scale, "gt_size": photographs.gt_size, "phase": "train"}
    common |= {"use_hflip": True, "use_rot": True}

    def ours(storage: str) -> Dataset:
        roots = {"dataroot_gt": str(folder / f"hr_{storage}"), "dataroot_target": str(folder / f"lr_{storage}")}
        return USRDADataset({**common, **roots})

    def basicsrs(storage: str) -> Dataset:
        roots = {"dataroot_gt": str(folder / f"hr_{storage}"), "dataroot_lq": str(folder / f"lr_{storage}")}
        return PairedImageDataset({**common, **roots, "io_backend": {"type": "lmdb"}})

    return {
        "BasicSR, LMDB of whole images": basicsrs("png.lmdb"),
        "BasicSR, LMDB of sub-images": basicsrs("png_tiles.lmdb"),
        "folder of PNG": ours("png"),
        "folder of JPEG": ours("jpeg"),
        "LMDB of whole images, png": ours("png.lmdb"),
        "LMDB of sub-images, png": ours("png_tiles.lmdb"),
        "LMDB of whole images, ppm": ours("ppm.lmdb"),
        "LMDB of sub-images, ppm": ours("ppm_tiles.lmdb"),
    }


# these hold the same pixels, so their samples are the same bits
SAME = (
    ("folder of PNG", "LMDB of whole images, png", "LMDB of whole images, ppm"),
    ("LMDB of sub-images, png", "LMDB of sub-images, ppm"),
)


def check_samples(datasets: dict[str, Dataset], count: int = 24) -> list[str]:
    """The storages whose samples are not those of the first that holds the same pixels."""
    return [
        f"{name}: other samples than {first}"
        for first, *others in SAME
        for name in others
        if not all(same(datasets[first][number], datasets[name][number]) for number in range(count))
    ]


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two samples have the same bits."""
    return all(torch.equal(one[name], other[name]) for name in ("x_s", "y_s", "x_t"))

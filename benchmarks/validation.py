"""USRDAModel's validation against BasicSR's own, on the same network and images: how much faster, and how equal.

Twenty photographs of scikit-image, 480x320, with PSNR, SSIM and NIQE, pictures saved and not. `--tiny` takes seconds
and is for the equality alone; the exit code is 1 where values or pictures differ by more than is said below.
"""

from __future__ import annotations

import argparse
import inspect
import json
import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import cv2
import numpy as np
import skimage
import torch
import yaml
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional as F

import usrda_plugin

usrda_plugin.register()  # before BasicSR, which it mends

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(Path(__file__).parent))
from basicsr.data import build_dataloader, build_dataset  # noqa: E402
from basicsr.metrics.niqe import calculate_niqe  # noqa: E402
from basicsr.metrics.psnr_ssim import calculate_psnr, calculate_ssim  # noqa: E402
from basicsr.models.sr_model import SRModel  # noqa: E402
from basicsr.utils import get_root_logger, tensor2img  # noqa: E402
from basicsr.utils.registry import ARCH_REGISTRY  # noqa: E402
from rounds import Spread, alternate, ratio  # noqa: E402

from usrda_plugin.archs import USRDANet  # noqa: E402
from usrda_plugin.data import bicubic_downsample  # noqa: E402
from usrda_plugin.metrics import levels_of, tensor_metric  # noqa: E402
from usrda_plugin.models import USRDAModel  # noqa: E402
from usrda_plugin.models.pictures import PictureWriter  # noqa: E402

PHOTOGRAPHS = ("astronaut.png", "brick.png", "camera.png", "coffee.png", "grass.png", "gravel.png", "ihc.png",
               "motorcycle_left.png", "motorcycle_right.png", "rocket.jpg")  # fmt: skip
SCALE = 2
LUMA = {"crop_border": SCALE, "test_y_channel": True}
METRICS = {
    "psnr": {"type": "calculate_psnr", **LUMA},
    "ssim": {"type": "calculate_ssim", **LUMA},
    "niqe": {"type": "calculate_niqe", "crop_border": SCALE, "better": "lower"},
}
BASICSR = {"psnr": calculate_psnr, "ssim": calculate_ssim, "niqe": inspect.unwrap(calculate_niqe)}
TOLERANCE = {"psnr": 1e-4, "ssim": 1e-4, "niqe": 1e-2}
"""Largest difference of an image's value; NIQE's for BasicSR halves the image in fp32, which has no more digits."""
GOAL = 4


class Size(NamedTuple):
    """What is validated: how many images, of what HR size, by a network of what width."""

    images: int
    height: int
    width: int
    narrower: dict[str, int]


FULL = Size(20, 320, 480, {})
TINY = Size(3, 200, 300, {"num_feat": 4, "num_block": 1, "num_grow_ch": 2, "num_block_encoder": 1})


@ARCH_REGISTRY.register()
class BicubicAndNetwork(USRDANet):
    """USRDANet on top of a bicubic enlargement: of random weights alone the image would be black, its NIQE nan."""

    def forward(self, x: Tensor) -> Tensor:
        """The SR image of x."""
        return F.interpolate(x, scale_factor=self.scale, mode="bicubic") + 0.1 * self.super_resolve(x)


def main(arguments: list[str] | None = None) -> int:
    """Measure and compare; 0 if values and pictures are equal, 1 if they are not, 2 without the device asked for."""
    chosen = build_parser().parse_args(arguments)
    if chosen.device == "cuda" and not torch.cuda.is_available():
        print("validation: expected a CUDA device, found none; install a CUDA build of torch", file=sys.stderr)
        return 2
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
        cv2.setNumThreads(chosen.threads)
    get_root_logger().setLevel(logging.WARNING)
    size, rounds = (TINY, 1) if chosen.tiny else (FULL._replace(images=chosen.images), chosen.rounds)
    with TemporaryDirectory(prefix="validation_") as folder:
        figures = measure(Validation(Path(folder), size, chosen.device), rounds)
    print_figures(Console(), figures, rounds)
    if chosen.json:
        chosen.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0 if figures["equal"] else 1


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, help="of torch and OpenCV; default: what they choose")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--images", type=int, default=FULL.images, help="how many photographs; default %(default)s")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--tiny", action="store_true", help="three small images, one round, for the equality alone")
    return parser


# BasicSR's own way, and ours, which SRModel has from the patch `validation`
WAYS = {SRModel: SRModel.nondist_validation.__wrapped__, USRDAModel: USRDAModel.nondist_validation}


class Validation:
    """A model, a validation set on disk, and the two ways to validate the one by the other."""

    def __init__(self, folder: Path, size: Size, device: str) -> None:
        self.folder = folder
        write_pairs(folder, size)
        data = {"name": "pairs", "type": "PairedImageDataset", "phase": "val", "scale": SCALE,
                "dataroot_gt": str(folder / "hr"), "dataroot_lq": str(folder / "lr"),
                "io_backend": {"type": "disk"}}  # fmt: skip
        self.loader = build_dataloader(build_dataset(data), data)
        torch.manual_seed(0)
        self.model = USRDAModel(self.options(size, device))
        self.samples = list(self.loader)
        self.remembered = self.outputs()

    def options(self, size: Size, device: str) -> dict[str, Any]:
        """The options of a test by the demo's network."""
        demo = yaml.safe_load((ROOT / "options/_base_/demo.yml").read_text())
        return {
            "name": "benchmark", "scale": SCALE, "num_gpu": int(device == "cuda"), "is_train": False, "dist": False,
            "rank": 0, "network_g": {**demo["network_g"], "type": "BicubicAndNetwork", **size.narrower}, "path": {},
            "val": {"suffix": None, "metrics": METRICS}, "logger": {},
        }  # fmt: skip

    def run(self, kind: type[SRModel], save_img: bool) -> None:
        """Validate as this kind of model does."""
        self.model.opt["path"]["visualization"] = str(self.folder / kind.__name__)
        vars(self.model)["feed_data"] = partial(kind.feed_data, self.model)
        WAYS[kind](self.model, self.loader, "benchmark", None, save_img)
        del vars(self.model)["feed_data"]

    def run_without_network(self, kind: type[SRModel], save_img: bool) -> None:
        """The same, but what the network makes of each image is remembered and not computed."""
        outputs = iter(self.remembered)
        vars(self.model)["test"] = lambda: setattr(self.model, "output", next(outputs)[0].clone())
        self.run(kind, save_img)
        del vars(self.model)["test"]

    def network(self) -> None:
        """The network alone on all images."""
        for sample in self.samples:
            self.model.feed_data(sample)
            self.model.test()

    def outputs(self) -> list[tuple[Tensor, Tensor]]:
        """What the network makes of each image, and its ground truth, on the device."""
        made = []
        for sample in self.samples:
            self.model.feed_data(sample)
            self.model.test()
            made.append((self.model.output, self.model.gt))
        return made

    def read(self) -> None:
        """Decode all images."""
        for _ in self.loader:
            pass


def write_pairs(folder: Path, size: Size) -> None:
    """Write crops of photographs to ``hr``, the upper left and the lower right corner of each, and halves to ``lr``."""
    for name in ("hr", "lr"):
        (folder / name).mkdir()
    for number in range(size.images):
        name = PHOTOGRAPHS[number % len(PHOTOGRAPHS)]
        photograph = cv2.imread(str(Path(skimage.__file__).parent / "data" / name))
        crop = photograph[: size.height, : size.width]
        if number >= len(PHOTOGRAPHS):
            crop = photograph[-size.height :, -size.width :]
        cv2.imwrite(str(folder / "hr" / f"{number:02}.png"), crop)
        cv2.imwrite(str(folder / "lr" / f"{number:02}.png"), bicubic_downsample(crop, SCALE))


def measure(validation: Validation, rounds: int) -> dict[str, Any]:
    """All figures: ratios of whole validations, milliseconds an image of their parts, differences of their results."""
    kinds = {"BasicSR": SRModel, "ours": USRDAModel}
    runs: dict[str, Callable[[], object]] = {"network": validation.network}
    for name, kind in kinds.items():
        for saving, save_img in (("", False), (", saving", True)):
            runs[f"{name}{saving}"] = partial(validation.run, kind, save_img)
            runs[f"{name}{saving}, without network"] = partial(validation.run_without_network, kind, save_img)
    device = validation.model.device
    seconds = alternate(runs, rounds, device, warm_up=1)
    parts = {name: median(times) for name, times in seconds.items()}
    outputs = validation.remembered
    parts |= {name: median(times) for name, times in alternate(steps(validation, outputs), rounds, device, 1).items()}
    values, pictures = value_differences(outputs), differing_pictures(validation)
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
        "threads": torch.get_num_threads(),
        "images": len(outputs),
        "basicsr_over_ours": {
            way: ratio(seconds[f"BasicSR{way}"], seconds[f"ours{way}"])._asdict()
            for way in ("", ", saving", ", without network", ", saving, without network")
        },
        "milliseconds_per_image": {name: 1000 * time / len(outputs) for name, time in parts.items()},
        "largest_difference": values,
        "differing_pictures": pictures,
        "equal": not pictures and all(values[name] <= TOLERANCE[name] for name in METRICS),
    }


def steps(validation: Validation, outputs: list[tuple[Tensor, Tensor]]) -> dict[str, Callable[[], object]]:
    """The parts of both validations, each on all images."""
    as_pictures = [[tensor2img([tensor.clone()]) for tensor in pair] for pair in outputs]
    as_levels = [[levels_of(tensor) for tensor in pair] for pair in outputs]
    found: dict[str, Callable[[], object]] = {
        "reading": validation.read,
        "BasicSR: to pictures": lambda: [[tensor2img([tensor.clone()]) for tensor in pair] for pair in outputs],
        "ours: to levels": lambda: [[levels_of(tensor) for tensor in pair] for pair in outputs],
    }
    for name in METRICS:
        found[f"BasicSR: {name}"] = lambda name=name: [of_pictures(name, *pair) for pair in as_pictures]
        found[f"ours: {name}"] = lambda name=name: [of_levels(name, *pair) for pair in as_levels]
    found["BasicSR: writing"] = lambda: [
        cv2.imwrite(str(validation.folder / "written.png"), picture) for picture, _ in as_pictures
    ]
    found["ours: writing, nothing else to do"] = lambda: write(validation.folder, [levels for levels, _ in as_levels])
    return found


def of_pictures(name: str, picture: np.ndarray, reference: np.ndarray) -> float:
    """A metric by BasicSR."""
    pictures = (picture,) if name == "niqe" else (picture, reference)
    return BASICSR[name](*pictures, **{key: METRICS[name][key] for key in LUMA if key in METRICS[name]})


def of_levels(name: str, levels: Tensor, reference: Tensor) -> Tensor:
    """A metric by ours."""
    metric = tensor_metric(METRICS[name])
    assert metric is not None
    return metric(image=levels) if name == "niqe" else metric(image=levels, reference=reference)


def write(folder: Path, images: list[Tensor]) -> None:
    """Write all images by threads."""
    with PictureWriter() as writer:
        for number, levels in enumerate(images):
            writer.write(folder / f"{number}.png", levels[0])


def value_differences(outputs: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """The largest difference of an image's value, for each metric; nan where one of the two is not defined."""
    largest = dict.fromkeys(METRICS, 0.0)
    for pair in outputs:
        pictures, levels = [tensor2img([tensor.clone()]) for tensor in pair], [levels_of(tensor) for tensor in pair]
        for name in METRICS:
            difference = abs(of_levels(name, *levels).item() - of_pictures(name, *pictures))
            largest[name] = float(np.maximum(largest[name], difference))  # which keeps nan
    return largest


def differing_pictures(validation: Validation) -> list[str]:
    """The pictures in which the two validations differ by more than the one level that a rounding may turn."""
    folders = [validation.folder / kind.__name__ for kind in (SRModel, USRDAModel)]
    names = sorted({str(path.relative_to(folder)) for folder in folders for path in folder.rglob("*.png")})
    assert names
    pairs = {name: [cv2.imread(str(folder / name)) for folder in folders] for name in names}
    return [name for name, (a, b) in pairs.items() if a is None or b is None or cv2.absdiff(a, b).max() > 1]


def print_figures(console: Console, figures: dict[str, Any], rounds: int) -> None:
    """Print the ratios, the parts and the differences."""
    title = f"{figures['device']}, {figures['threads']} threads, {figures['images']} images, {rounds} rounds"
    ratios = Table("BasicSR's time over ours", "median (lowest to highest)", title=title)
    for way, value in figures["basicsr_over_ours"].items():
        ratios.add_row(f"validation{way}", f"{Spread(**value):.2f}")
    console.print(ratios, f"goal: {GOAL}")
    parts = Table("part", "ms an image", title="where the time goes")
    for name, time in figures["milliseconds_per_image"].items():
        parts.add_row(name, f"{time:.2f}")
    console.print(parts)
    differences = Table("metric", "largest difference", "allowed", title="what the two say of the same images")
    for name, value in figures["largest_difference"].items():
        differences.add_row(name, f"{value:.1e}", f"{TOLERANCE[name]:.0e}")
    console.print(differences)
    differing = figures["differing_pictures"]
    console.print(f"pictures that differ: {', '.join(differing) or 'none'}")


if __name__ == "__main__":
    sys.exit(main())

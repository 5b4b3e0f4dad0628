"""A folder in which every shipped option file is right: its images, lists and weights, and tiny networks."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torchvision.models import vgg19

from usrda_plugin.options.inheritance import read_chain

Options = dict[str, Any]

SHIPPED = Path(__file__).resolve().parents[3] / "options"
IMAGES = 4
PATCH = 32
# pixels; a camera is estimated from source images of 144 or more
SIDES = {"dataroot_gt": 160, "dataroot_target": 64}
VALIDATED = 64
# what makes a network, a batch and a run small, in whatever file it stands
SMALL = {
    "num_feat": 4,
    "num_block": 1,
    "num_grow_ch": 2,
    "num_block_encoder": 1,
    "num_block_lr_decoder": 1,
    "gt_size": PATCH,
    "batch_size_per_gpu": 2,
    "num_worker_per_gpu": 0,
    "queue_size": 4,
    "num_gpu": 0,
}
# blocks that leave a size to its default get it written below their type
BY_DEFAULT = {
    "RRDBNet": ("num_feat", "num_block", "num_grow_ch"),
    "USRDANet": ("num_feat", "num_block", "num_grow_ch"),
    "USRDADiscriminator": ("num_feat",),
}
# what small files cannot have in common: images of one scale, and the patch of BasicSR's critic that takes one size
AT_2 = "datasets:\n  val:\n    dataroot_lq: datasets/val/LRx2\n"
APART = {
    **dict.fromkeys(("train_usrda_x2.yml", "test_usrda_x2.yml", "train_psnr_x2.yml", "test_psnr_x2.yml"), AT_2),
    "train_esrgan.yml": "datasets:\n  train:\n    gt_size: 128\n",
}


class Start(NamedTuple):
    """A shipped option file, as it stands in the workplace, and whether it is trained by."""

    name: str
    text: str
    is_train: bool


class Workplace:
    """The folder ``root``: options/ as shipped but small, and all that these files name."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.options = root / "options"
        self.options.mkdir(parents=True)
        with inside(root):
            for file in [*SHIPPED.glob("*.yml"), *SHIPPED.glob("_base_/*.yml")]:
                copy = self.options / file.relative_to(SHIPPED)
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_text(small(file.name, file.read_text(encoding="utf-8")), encoding="utf-8")
            self.resolved = {file.name: read_chain(file).opt for file in sorted(self.options.glob("*.yml"))}
            for options in self.resolved.values():
                self._furnish(options)
            _write_vgg(Path("vgg19.pth"))
        self.pristine = root.parent / "pristine"
        shutil.copytree(root / "experiments", self.pristine)

    def starts(self) -> list[Start]:
        """Every shipped option file."""
        return [Start(name, (self.options / name).read_text(), "train" in opt) for name, opt in self.resolved.items()]

    def _furnish(self, options: Options) -> None:
        for phase, dataset in options["datasets"].items():
            for key in sorted(key for key in dataset if key.startswith("dataroot")):
                lq = VALIDATED // options["scale"] if key == "dataroot_lq" else VALIDATED
                _write_images(Path(dataset[key]), SIDES[key] if phase == "train" else lq)
            if "meta_info" in dataset:
                names = sorted(file.name for file in Path(dataset["dataroot_gt"]).iterdir())
                Path(dataset["meta_info"]).write_text("".join(f"{name}\n" for name in names))
        for key, file in options["path"].items():
            if key.startswith("pretrain_network_") and file is not None:
                maker = self.resolved.get(f"{Path(file).parts[1]}.yml", options)
                _write_weights(Path(file), maker["network_g"])


def small(name: str, text: str) -> str:
    """The text of an option file with small numbers, comments and anchors as they are."""
    for key, value in SMALL.items():
        text = re.sub(rf"^( *{key}: )\w+", rf"\g<1>{value}", text, flags=re.MULTILINE)
    text = re.sub(r"num_in_ch: 64", f"num_in_ch: {SMALL['num_feat']}", text)
    for kind, keys in BY_DEFAULT.items():
        for line in reversed([*re.finditer(rf"^( *)type: {kind}\b.*\n", text, flags=re.MULTILINE)]):
            text = text[: line.end()] + _missing(text[line.end() :], line[1], keys) + text[line.end() :]
    return text + APART.get(name, "")


def _missing(below: str, indent: str, keys: tuple[str, ...]) -> str:
    """Lines for those of the keys that the rest of a block does not have."""
    block = re.match(rf"(?:{indent}\S.*\n|\s*#.*\n)*", below)
    there = block[0] if block else ""
    return "".join(f"{indent}{key}: {SMALL[key]}\n" for key in keys if f" {key}:" not in there)


def _write_images(folder: Path, side: int) -> None:
    if folder.is_dir():
        return
    folder.mkdir(parents=True)
    for number, colours in enumerate(np.random.default_rng(0).integers(0, 256, (IMAGES, 9, 9, 3), dtype=np.uint8)):
        image = cv2.resize(colours, (side, side), interpolation=cv2.INTER_CUBIC)
        assert cv2.imwrite(str(folder / f"{number}.png"), image)


def _write_weights(file: Path, network: Options) -> None:
    built = ARCH_REGISTRY.get(network["type"])(**{key: value for key, value in network.items() if key != "type"})
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"params": built.state_dict(), "params_ema": built.state_dict()}, file)


def _write_vgg(file: Path) -> None:
    """VGG-19's convolutions; one number stands for all of a layer, as only names and shapes are looked at."""
    with torch.device("meta"):
        shapes = {key: value.shape for key, value in vgg19().features.state_dict().items()}
    torch.save(
        {f"features.{key}": torch.zeros((), dtype=torch.half).expand(shape) for key, shape in shapes.items()}, file
    )


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """While open, ``folder`` is the current directory."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)

"""What a network is worth on validation pairs: the columns of the table, and two of them for each saved checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from usrda_plugin.inference import Tiling, Upscaler, read_picture
from usrda_plugin.inference.engine import choose_device
from usrda_plugin.metrics import colour_shift, find_alexnet_weights, lpips, niqe, psnr, ssim

Values = dict[str, float | None]
PER_CHECKPOINT = ("psnr", "lpips")
WHOLE = 10**6


class Pair(NamedTuple):
    """A validation image: 8-bit levels (1, 3, H, W), RGB, of the LR image and of its ground truth."""

    name: str
    lr: Tensor
    hr: Tensor


def read_pairs(folder: Path, names: Sequence[str], side: int = WHOLE) -> Iterator[Pair]:
    """The validation pairs of these file names, or of each the centre of at most ``side`` LR pixels a side."""
    for name in names:
        lr, hr = (_levels(folder / place / name) for place in ("val_lr", "val_hr"))
        factor = hr.shape[-1] // lr.shape[-1]
        yield Pair(Path(name).stem, _centre(lr, side, 1), _centre(hr, side, factor))


def _levels(file: Path) -> Tensor:
    pixels = torch.from_numpy(read_picture(file).colour.copy())
    pixels = pixels if pixels.dim() == 3 else pixels[..., None].expand(-1, -1, 3)
    return pixels.permute(2, 0, 1)[None]


def _centre(levels: Tensor, side: int, factor: int) -> Tensor:
    """The centre of an image whose LR side is ``factor`` times smaller, on its LR grid."""
    height, width = (length // factor for length in levels.shape[-2:])
    top, left = (max(length - side, 0) // 2 * factor for length in (height, width))
    bottom, right = top + min(side, height) * factor, left + min(side, width) * factor
    return levels[..., top:bottom, left:right]


def columns(factor: int) -> dict[str, Callable[[Tensor, Tensor], Tensor] | None]:
    """The metrics of the table, of levels and ground truth; None for one whose weights are not to be found."""
    border = {"crop_border": factor}
    return {
        "psnr": partial(psnr, test_y_channel=True, **border),
        "ssim": partial(ssim, test_y_channel=True, **border),
        "lpips": partial(lpips, **border) if find_alexnet_weights() else None,
        "niqe": lambda image, _: niqe(image, **border),
        "colour_shift": partial(colour_shift, **border),
    }


def measure(network: nn.Module, pairs: Iterator[Pair], factor: int, wanted: Sequence[str] = ()) -> dict[str, Values]:
    """The metrics of each image by its name; ``wanted``: which, else all."""
    upscaler = Upscaler(network, Tiling(), precision="fp32")
    metrics = {name: metric for name, metric in columns(factor).items() if not wanted or name in wanted}
    return {pair.name: _values(upscaler, pair, metrics) for pair in pairs}


def _values(upscaler: Upscaler, pair: Pair, metrics: Mapping[str, Callable[..., Tensor] | None]) -> Values:
    made = torch.from_numpy(upscaler.levels(pair.lr[0].permute(1, 2, 0).numpy())).permute(2, 0, 1)[None]
    image, hr = (levels.to(choose_device("auto")) for levels in (made, pair.hr))
    found = {name: None if metric is None else metric(image, hr).item() for name, metric in metrics.items()}
    return {name: None if value is None or not math.isfinite(value) else value for name, value in found.items()}


def means(images: Mapping[str, Values]) -> Values:
    """The mean of each metric over the images; None where an image lacks it."""
    names = next(iter(images.values()))
    return {name: _mean([values[name] for values in images.values()]) for name in names}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def parameters_of(network: nn.Module) -> int:
    """How many numbers a network has learnt."""
    return sum(parameter.numel() for parameter in network.parameters())

"""Crops side by side, drawn by the networks that training has left here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib as mpl
import numpy as np
import torch
from cells import opened, published
from domains import DOMAINS, fold_names
from evaluation import Pair, read_pairs
from rows import ROWS
from trainings import Cell, trainings_of

from usrda_plugin.archs import USRDABicubic
from usrda_plugin.inference import Upscaler

mpl.use("Agg")
from matplotlib import pyplot

SHOWN = ("bicubic", "source_only", "usrda", "plus", "oracle")
SIDE = 48  # LR pixels of a crop
PHOTOGRAPHS = 3


def draw_crops(scale: str, domain: str, rows: Sequence[str], out: Path, file: Path) -> None:
    """Draw the busiest crop of a few validation photographs, a column a row of seed 0; nothing where networks lack."""
    shown = [row for row in SHOWN if row in rows]
    folder, factor = out / "data" / domain, DOMAINS[domain].factor
    if not (shown and folder.is_dir()) or not all(_is_here(Cell(scale, domain, row, 0), out) for row in shown):
        return
    names = sorted(path.name for path in (folder / "val_hr").iterdir())
    names = names[:: max(len(names) // PHOTOGRAPHS, 1)][:PHOTOGRAPHS]
    figure, axes = pyplot.subplots(len(names), len(shown) + 2, figsize=(2 * len(shown) + 4, 2.2 * len(names)),
                                   layout="constrained", squeeze=False)  # fmt: skip
    for line, name in zip(axes, names, strict=True):
        (pair,) = read_pairs(folder, [name])
        made = {ROWS[row].title: _made(Cell(scale, domain, row, 0), name, pair, out) for row in shown}
        lr = cv2.resize(_image(pair.lr), None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
        crop = busiest(pair.hr, factor)
        for axis, (title, image) in zip(line, {"LR": lr, **made, "truth": _image(pair.hr)}.items(), strict=True):
            axis.imshow(image[crop], interpolation="nearest")
            axis.set_title(title, fontsize=9)
            axis.axis("off")
    figure.savefig(file, dpi=110)
    pyplot.close(figure)


def busiest(hr: torch.Tensor, factor: int) -> tuple[slice, slice]:
    """Rows and columns of the crop in which an HR image (1, 3, H, W) changes most from pixel to pixel."""
    luma = hr.float().mean(dim=1, keepdim=True)
    change = torch.zeros_like(luma)
    change[..., 1:, 1:] = luma.diff(dim=-1)[..., 1:, :].abs() + luma.diff(dim=-2)[..., 1:].abs()
    side = SIDE * factor
    sums = torch.nn.functional.avg_pool2d(change, side, stride=factor)[0, 0]
    top, left = (int(index) * factor for index in np.unravel_index(int(sums.argmax()), sums.shape))
    return slice(top, top + side), slice(left, left + side)


def _is_here(cell: Cell, out: Path) -> bool:
    return all(published(training, out).is_file() for training in trainings_of(cell))


def _made(cell: Cell, name: str, pair: Pair, out: Path) -> np.ndarray:
    """What the row makes of an image; under cross-validation by the network that has not seen it."""
    names = sorted(path.name for path in (out / "data" / cell.domain / "val_hr").iterdir())
    network = USRDABicubic(DOMAINS[cell.domain].factor)
    for training in trainings_of(cell):
        if training.fold is None or name in fold_names(names, training.fold)[1]:
            network = opened(published(training, out), training)
    return Upscaler(network, precision="fp32").levels(_image(pair.lr))


def _image(levels: torch.Tensor) -> np.ndarray:
    return levels[0].permute(1, 2, 0).contiguous().numpy()

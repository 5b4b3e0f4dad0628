"""The demo's table and picture."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import cv2
import matplotlib as mpl
import numpy as np
from basicsr.metrics.psnr_ssim import calculate_psnr
from rich.console import Console
from rich.table import Table

mpl.use("Agg")
from matplotlib import pyplot

COLUMNS = {"psnr": "PSNR-Y, dB ↑", "ssim": "SSIM ↑", "niqe": "NIQE ↓"}
# a crop of each validation photograph: top, left in HR pixels, with detail and a flat place side by side
CROPS = {"astronaut": (60, 170), "chelsea": (90, 110), "hubble_deep_field": (60, 380)}
SIZE = 120


class Result(NamedTuple):
    """What one network did on the validation photographs, and what its command took, training included."""

    metrics: dict[str, float]
    pictures: list[Path]
    iterations: int = 0
    seconds: float = 0


def print_table(console: Console, results: dict[str, Result]) -> None:
    """Print one row a network."""
    table = Table(title="photographs of a camera unknown to the training, scale 2")
    table.add_column("network")
    for title in COLUMNS.values():
        table.add_column(title, justify="right")
    for name, result in results.items():
        values = [f"{result.metrics[metric]:.{2 if metric != 'ssim' else 4}f}" for metric in COLUMNS]
        table.add_row(name, *values, style="bold" if name == "adapted" else "")
    console.print(table)


def compare(console: Console, results: dict[str, Result]) -> int:
    """0 where adaptation gained PSNR and SSIM over the source-only network, else 1; says which."""
    adapted, source_only = results["adapted"].metrics, results["source-only"].metrics
    gain = {metric: adapted[metric] - source_only[metric] for metric in ("psnr", "ssim")}
    console.print(f"adapted against source-only: {gain['psnr']:+.2f} dB PSNR, {gain['ssim']:+.4f} SSIM")
    if all(value > 0 for value in gain.values()):
        return 0
    console.print("[red]adaptation did not help: expected a gain in PSNR and SSIM[/]")
    return 1


def draw_picture(results: dict[str, Result], photographs: Path, file: Path) -> Path:
    """Draw a row of labelled crops for each photograph: LR, bicubic, source-only, adapted, truth."""
    figure, axes = pyplot.subplots(len(CROPS), len(results) + 2, figsize=(12, 7.6), layout="constrained")
    for row, (name, corner) in zip(axes, CROPS.items(), strict=True):
        truth = cv2.imread(str(photographs / "val_hr" / f"{name}.png"))
        camera = cv2.imread(str(photographs / "val_lr" / f"{name}.png"))
        enlarged = cv2.resize(camera, truth.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        made = {label: cv2.imread(str(_picture_of(name, result))) for label, result in results.items()}
        for axis, (label, image) in zip(row, {"camera (LR)": enlarged, **made, "truth": truth}.items(), strict=True):
            top, left = corner
            axis.imshow(
                cv2.cvtColor(image[top : top + SIZE, left : left + SIZE], cv2.COLOR_BGR2RGB), interpolation="nearest"
            )
            axis.set_title(label + (f"\n{_psnr(image, truth):.2f} dB" if label in made else "\n"), fontsize=11)
            axis.axis("off")
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
    return file


def _picture_of(name: str, result: Result) -> Path:
    return next(picture for picture in result.pictures if picture.name.startswith(name))


def _psnr(image: np.ndarray, truth: np.ndarray) -> float:
    return calculate_psnr(image, truth, crop_border=2, test_y_channel=True)

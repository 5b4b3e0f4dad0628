"""The section of the report on ``usrda adapt``, from what ``benchmarks/starts/run.py adapt`` has left."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tables import markdown, number

FILE = Path(__file__).parents[1] / "starts/adapted.json"
TITLES = {
    "city100_nikon": "City100 Nikon, scale 2",
    "city100_iphone": "City100 iPhone, scale 2",
    "drealsr_olympus_x4": "DRealSR Olympus, scale 4",
}
HEADER = ["target", "photographs", "iterations", "minutes", "PSNR-Y, dB ↑: bicubic, start, adapted", "gain",
          "LPIPS ↓: bicubic, start, adapted", "gain"]  # fmt: skip
INTRODUCTION = """## One command: `usrda adapt`

`usrda adapt PHOTOGRAPHS` with no other argument (`--scale 4` for the Olympus), from the networks that come with it,
with the six source photographs that are installed with scikit-image; one run each (seed 0), beside other work. The
pairs are of other scenes, and no choice was made on them. Minutes are of the whole command; {environment}.

"""
COMMAND = "\n    python benchmarks/starts/run.py adapt\n"


def section(file: Path = FILE) -> str:
    """The section; empty where nothing has been measured."""
    if not file.is_file():
        return ""
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    environments = sorted(
        {f"torch {one['environment']['torch']}, {one['environment']['device']}" for one in found.values()}
    )
    introduction = INTRODUCTION.format(environment="; ".join(environments))
    return introduction + markdown(HEADER, [row(TITLES[camera], one) for camera, one in found.items()]) + COMMAND


def row(title: str, one: Mapping[str, Any]) -> list[str]:
    """A camera's line."""
    networks = [one[name] for name in ("bicubic", "start", "adapted")]
    figures = [", ".join(number(network[metric], metric) for network in networks) for metric in ("psnr", "lpips")]
    gains = [one["adapted"]["psnr"] - one["start"]["psnr"], one["start"]["lpips"] - one["adapted"]["lpips"]]
    return [
        title, str(one["photographs"]), str(one["iterations"]), f"{one['seconds'] / 60:.1f}",
        figures[0], f"{number(gains[0], 'psnr')} dB", figures[1], number(gains[1], "lpips"),
    ]  # fmt: skip

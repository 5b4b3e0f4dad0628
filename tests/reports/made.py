"""Lines of logs, scenes without a network, and pages taken apart."""

from __future__ import annotations

from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from usrda_plugin.reports import Region, Scene, View

NASTY = "<script>alert('x')</script>\u202e\udcff & \"q\".png"
OPTIONS: dict[str, Any] = {
    "name": "mine", "model_type": "SRModel", "scale": 2,
    "datasets": {"train": {"name": "pairs", "dataroot_gt": "hr", "dataroot_lq": "lr"}},
    "network_g": {"type": "SRVGGNetCompact", "num_feat": 8, "num_conv": 1, "upscale": 2},
    "train": {"total_iter": 400},
}  # fmt: skip
HEAD = """2026-01-02 10:00:00,000 INFO: banner
Version Information: 
\tBasicSR: 1.4.2
\tPyTorch: 2.9
2026-01-02 10:00:01,000 INFO: Training statistics:
\tNumber of train images: 40
\tTotal epochs: 3; iters: 400.
"""  # noqa: W291


def step(iteration: int, second: int, **values: float) -> str:
    """A line as BasicSR's MessageLogger writes it."""
    listed = " ".join(f"{name}: {value:.4e}" for name, value in values.items())
    return (
        f"2026-01-02 10:{second // 60:02}:{second % 60:02},123 INFO: [mine..][epoch:  0, iter:{iteration:8,d}, "
        f"lr:(1.000e-04,5.000e-05,)] [eta: 0:00:10, time (data): 0.250 (0.010)] {listed} \n"
    )


def make_scene(number: int = 0, names: Sequence[str] = ("bicubic", "start", "adapted"), file: str = "a.png") -> Scene:
    """A scene of 48 x 36 pixels whose views are one colour each."""
    views = tuple(View(name, np.full((36, 48, 3), 60 * place + number, np.uint8)) for place, name in enumerate(names))
    overview = np.full((30, 40, 3), 128, np.uint8)
    between = (names[-2], names[-1])
    return Scene(file, (80, 60), Region(40, 20, 24, 18), 2, views, between, 60.0, 10.0 - number, overview)


class Parsed(HTMLParser):
    """A page taken apart: its tags with attributes, its text, what stands in style and script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.raw: dict[str, str] = {}
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("style", "script"):
            self.raw[self.open[-1]] = self.raw.get(self.open[-1], "") + data
        else:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each tag of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]

    def sections(self) -> list[str]:
        """The ids of the headings of its sections."""
        return [str(attributes["id"]) for attributes in self.all("h2")]


def parsed(file: Path) -> Parsed:
    """A page in a file, taken apart."""
    return Parsed(file.read_text(encoding="utf-8"))

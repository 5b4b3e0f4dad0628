"""How large the matrix is run: sizes of networks, patches and batches, and how long rows train."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, NamedTuple

from domains import DOMAINS
from rows import ROWS

NOTHING: MappingProxyType[str, Any] = MappingProxyType({})


class Scale(NamedTuple):
    """One size of the whole matrix."""

    stretch: float
    """Iterations over those that the option files say."""
    batch: int
    lr_patch: MappingProxyType[int, int]
    """Side of the LR patch in pixels, by the scale of the domain."""
    perceptual: bool
    """Whether rows that have a perceptual part use it, where VGG weights are found."""
    domains: tuple[str, ...]
    rows: tuple[str, ...]
    """What is run where the command names none; no rows: all."""
    degraded_batch: int = 2
    """Batch of the row that degrades at random as it trains: BasicSR does so on 400x400 pixels for each patch."""
    measurements: int = 4
    """How often in a training the network is saved, and its signals are measured."""
    checkpoint_side: int = 160
    """Saved checkpoints are measured on the centre of each validation image, at most so many LR pixels a side."""
    network: MappingProxyType[str, Any] = NOTHING
    """Arguments of ``network_g`` in place of the option files'."""
    critic_feat: int = 16
    workers: int = 0
    """Processes that load images."""
    rate: float = 1
    """Learning rates over those that the option files say: a deep network takes smaller steps."""


PATCHES = MappingProxyType({2: 24, 4: 24})
REAL = ("nikon", "iphone")
ALL = (*REAL, "sensor", "optics", "shaken")
RRDB = MappingProxyType({"num_feat": 64, "num_block": 23, "num_grow_ch": 32, "num_block_encoder": 16,
                         "num_block_lr_decoder": 4})  # fmt: skip

SCALES = {
    # for continuous integration: does everything run, from photographs to tables
    "smoke": Scale(1 / 20, 4, MappingProxyType({2: 16, 4: 12}), False, ("bundled",),
                   ("bicubic", "source_only", "plus", "sty"), measurements=3, checkpoint_side=64),
    # the table: a cell takes minutes on one core of a CPU
    "small": Scale(1, 8, PATCHES, False, ALL, ()),
    # a network as large as ESRGAN's, for a GPU: a cell takes minutes there
    "full": Scale(0.6, 16, PATCHES, True, REAL, ("bicubic", "source_only", "oracle", "usrda", "camera", "plus"),
                  degraded_batch=16, network=RRDB, critic_feat=64, workers=4, rate=0.2),
}  # fmt: skip


def rows_of(scale: str, domain: str) -> tuple[str, ...]:
    """The rows that a scale runs on a domain."""
    return tuple(row for row in SCALES[scale].rows or ROWS if row in (DOMAINS[domain].rows or ROWS))

"""The rows of the table: each an option file of its name, but for bicubic, which trains nothing."""

from __future__ import annotations

from typing import Literal, NamedTuple

Start = Literal["nothing", "source_only"]


class Row(NamedTuple):
    """What is compared, and the weights that its training starts from."""

    title: str
    start: Start = "source_only"
    measurements: int | None = None
    """How often in its training the network is saved, and its signals are measured; None: as the scale says."""


ROWS = {
    "bicubic": Row("bicubic", "nothing"),
    "source_only": Row("source-only", "nothing"),
    "oracle": Row("oracle (true pairs)"),
    "align": Row("rec + align"),
    "res": Row("+ res"),
    "sty": Row("+ sty"),
    "idt": Row("+ idt"),
    "usrda": Row("+ cyc = USR-DA"),
    "view": Row("USR-DA, D_t sees the high band"),
    "noise": Row("USR-DA, G_t with noise"),
    "hr": Row("USR-DA + hr"),
    "con": Row("USR-DA + con"),
    "tea": Row("USR-DA + tea"),
    "weighted": Row("USR-DA, cyc weighed by D_t"),
    "relativistic": Row("USR-DA, relativistic D_t"),
    "camera": Row("camera alone: the target's blur and noise"),
    "view_noise": Row("without camera: high band, G_t with noise"),
    "plus": Row("best combination"),
    "realesrgan": Row("Real-ESRGAN's degradations, a quarter of the patches"),
    "dasr": Row("after DASR"),
    # made to go wrong, for the rule that chooses a network without ground truth
    "swing": Row("USR-DA, critics 10 and 30 times as strong, twice as long", measurements=12),
}
BASELINES = ("bicubic", "source_only", "oracle")

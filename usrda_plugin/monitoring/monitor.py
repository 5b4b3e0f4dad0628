"""The signals of a training: measured at each validation, logged, kept, and what follows from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from basicsr.utils import get_root_logger

from usrda_plugin.archs.networks import USRDANet
from usrda_plugin.method import CRITIC_TERMS, needed
from usrda_plugin.monitoring.alarms import ringing
from usrda_plugin.monitoring.crops import Crops, fixed_crops
from usrda_plugin.monitoring.history import Record
from usrda_plugin.monitoring.measurement import Judge, Signals, measure
from usrda_plugin.monitoring.selection import Best

IMAGES = 8
SIZE = 160
JUDGES = ("f", "t")
"""Critics whose accuracy is measured; D_y judges what there is ground truth for."""

NO_SCORE = (
    "No network can be chosen without ground truth, so there will be no net_g_best.pth: style_distance is not defined "
    "here. It needs at least two photographs of each domain, and a term that trains G_t"
)


class Monitor:
    """The signals of a run, its alarms and its best network.

    Args:
        opt: the options of the run, with a block ``val: signals``.
        device: where the networks are.

    Raises:
        ValueError: photographs that are too small to be measured.
    """

    def __init__(self, opt: dict[str, Any], device: torch.device) -> None:
        wanted = opt["val"]["signals"]
        crops = fixed_crops(opt["datasets"]["train"], wanted.get("images") or IMAGES, wanted.get("size") or SIZE)
        self.crops = Crops(*(images.to(device) for images in crops))
        self.folder = Path(opt["path"]["experiments_root"])
        self.selects = wanted.get("select") is not False
        self.begin(0)

    @classmethod
    def of(cls, opt: dict[str, Any], device: torch.device) -> Monitor | None:
        """The monitor that the options ask for, of the first process; None elsewhere."""
        asked = (opt.get("val") or {}).get("signals") is not None and opt["rank"] == 0
        return cls(opt, device) if asked else None

    def begin(self, at: int) -> None:
        """Begin after iteration ``at``, with the history up to there; it is read when it is needed first."""
        self.begun_at = self.measured_at = at
        self.record: Record | None = None

    def observe(self, model: Any, network: USRDANet, current_iter: int, board: Any) -> None:
        """Measure a USRDAModel whose network for use is ``network``; once in an iteration, however many data sets."""
        if self.record is None:
            self._continue()
        if current_iter == self.measured_at:
            return
        self.measured_at = current_iter
        signals = self._measure(model, network, current_iter)
        self._log(signals, current_iter, board)
        self._ring()
        self._select(model)

    def _continue(self) -> None:
        self.record = Record(self.folder / "signals.jsonl", self.begun_at)
        self.best = Best(self.folder / "best.json", resumed=self.begun_at > 0)
        self.rings = ringing(self.record.history)
        self.measured_at = int(self.record.history[-1]["iter"]) if self.record.history else 0

    def _measure(self, model: Any, network: USRDANet, current_iter: int) -> Signals:
        objective = model.objective
        # before psnr_iter has passed critics have learnt nothing
        asked = [name for name in JUDGES if name in objective.critics and current_iter > model.phases.psnr_iter]
        judges = {
            name: Judge(
                model.get_bare_model(model.critics[name]), needed(CRITIC_TERMS[name].criterion(objective.criteria))
            )
            for name in asked
        }
        return measure(network, self.crops, judges, renders=objective.needs.lr_decoder)

    def _log(self, signals: Signals, current_iter: int, board: Any) -> None:
        assert self.record is not None
        self.record.add({"iter": current_iter, **signals})
        told = ", ".join(f"{name}: {value:.4g}" for name, value in signals.items())
        get_root_logger().info(f"Signals @ {current_iter} iter: {told}")
        for name, value in signals.items() if board else ():
            board.add_scalar(f"signals/{name}", value, current_iter)

    def _ring(self) -> None:
        """Tell of alarms that begin or end, not of those that go on."""
        assert self.record is not None
        rings = ringing(self.record.history)
        for name in [name for name in rings if name not in self.rings]:
            get_root_logger().warning(f"Alarm {name}: {rings[name]}")
        for name in [name for name in self.rings if name not in rings]:
            get_root_logger().warning(f"Alarm {name} is over")
        self.rings = rings

    def _select(self, model: Any) -> None:
        assert self.record is not None
        history = [line for line in self.record.history if line["iter"] > model.phases.psnr_iter]
        if not self.selects:
            return
        if len(history) == 1 and ("style_distance" not in history[0] or len(self.crops.x_t) < 2):
            get_root_logger().warning(NO_SCORE)
        if self.best.consider(history, model.save_best):
            get_root_logger().info(f"Best without ground truth so far (score {self.best.lowest:.4g}): net_g_best.pth")

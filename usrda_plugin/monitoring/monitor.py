"""The signals of a training: measured at each validation, logged, kept, and what follows from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from basicsr.utils import get_root_logger

from usrda_plugin.archs.networks import USRDANet
from usrda_plugin.method import CRITIC_TERMS, needed
from usrda_plugin.monitoring.alarms import active_alarms
from usrda_plugin.monitoring.history import Best, History
from usrda_plugin.monitoring.measurement import Crops, Measurement, TrainedCritic, fixed_crops, measure

IMAGES = 8
SIZE = 160
MEASURED_CRITICS = ("f", "t")
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
        self.history: History | None = None

    def observe(self, model: Any, network: USRDANet, current_iter: int, board: Any) -> None:
        """Measure a USRDAModel whose network for use is ``network``; once in an iteration, however many data sets."""
        history = self.history or self._continue()
        if current_iter == self.measured_at:
            return
        self.measured_at = current_iter
        measurement = self._measure(model, network, current_iter)
        history.add({"iter": current_iter, **measurement})
        _log(measurement, current_iter, board)
        self._report_alarms(history.measurements)
        if self.selects:
            self._select(model, [each for each in history.measurements if each["iter"] > model.phases.psnr_iter])

    def _continue(self) -> History:
        self.history = History(self.folder / "signals.jsonl", self.begun_at)
        self.best = Best(self.folder / "best.json", resumed=self.begun_at > 0)
        measurements = self.history.measurements
        self.alarms = active_alarms(measurements)
        self.measured_at = int(measurements[-1]["iter"]) if measurements else 0
        return self.history

    def _measure(self, model: Any, network: USRDANet, current_iter: int) -> Measurement:
        objective = model.objective
        # before psnr_iter has passed critics have learnt nothing
        trained = [
            name for name in MEASURED_CRITICS if name in objective.critics and current_iter > model.phases.psnr_iter
        ]
        critics = {
            name: TrainedCritic(
                model.get_bare_model(model.critics[name]), needed(CRITIC_TERMS[name].criterion(objective.criteria))
            )
            for name in trained
        }
        return measure(network, self.crops, critics, renders=objective.needs.lr_decoder)

    def _report_alarms(self, measurements: list[Measurement]) -> None:
        """Report alarms that begin or end, not those that go on."""
        active = active_alarms(measurements)
        for name in [name for name in active if name not in self.alarms]:
            get_root_logger().warning(f"Alarm {name}: {active[name]}")
        for name in [name for name in self.alarms if name not in active]:
            get_root_logger().warning(f"Alarm {name} is over")
        self.alarms = active

    def _select(self, model: Any, measurements: list[Measurement]) -> None:
        """Save the network if it is the best of ``measurements``, which began with the critics."""
        if len(measurements) == 1 and ("style_distance" not in measurements[0] or len(self.crops.x_t) < 2):
            get_root_logger().warning(NO_SCORE)
        if self.best.consider(measurements, model.save_best):
            get_root_logger().info(f"Best without ground truth so far (score {self.best.lowest:.4g}): net_g_best.pth")


def _log(measurement: Measurement, current_iter: int, board: Any) -> None:
    values = ", ".join(f"{name}: {value:.4g}" for name, value in measurement.items())
    get_root_logger().info(f"Signals @ {current_iter} iter: {values}")
    for name, value in measurement.items() if board else ():
        board.add_scalar(f"signals/{name}", value, current_iter)

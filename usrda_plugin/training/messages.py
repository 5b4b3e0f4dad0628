"""What is said of a training at ``print_freq``: BasicSR's line, and beside it learning rates and speed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from usrda_plugin.training.display import Display


def message_logger(original: Any, display: Display, model: Any) -> Any:
    """BasicSR's class MessageLogger, which tells a display too, and TensorBoard what it leaves out there.

    ``lr/NAME`` is the rate of ``optimizer_NAME``; ``speed/...`` are iterations a second, and seconds that an iteration
    and the wait for its batch took, means of up to 200 iterations as in the log. ``model`` gives the model.
    """

    class RunMessageLogger(original):
        def __call__(self, log_vars: dict[str, Any]) -> None:
            rates = learning_rates(model())
            display.logged(log_vars, rates)
            if self.tb_logger:
                for name, value in {**_prefixed(rates), **speeds(log_vars)}.items():
                    self.tb_logger.add_scalar(name, value, log_vars["iter"])
            with display.only_in_the_log():
                super().__call__(log_vars)

    return RunMessageLogger


def learning_rates(model: Any) -> dict[str, float]:
    """The learning rates of a model by the names of its optimizers, those of more groups with their number."""
    names = {id(value): name.removeprefix("optimizer_") for name, value in vars(model).items()}
    rates = {}
    for optimizer in model.optimizers:
        for number, group in enumerate(optimizer.param_groups, start=1):
            name = names.get(id(optimizer), f"optimizer_{model.optimizers.index(optimizer) + 1}")
            rates[name if number == 1 else f"{name}_{number}"] = float(group["lr"])
    return rates


def speeds(log_vars: Mapping[str, Any]) -> dict[str, float]:
    """How fast it goes, by what BasicSR's timers say."""
    seconds = {"seconds_per_iteration": log_vars.get("time"), "data_seconds": log_vars.get("data_time")}
    found = {f"speed/{name}": float(value) for name, value in seconds.items() if value is not None}
    if log_vars.get("time"):
        found["speed/iterations_per_second"] = 1 / log_vars["time"]
    return found


def _prefixed(rates: Mapping[str, float]) -> dict[str, float]:
    return {f"lr/{name}": value for name, value in rates.items()}

"""Optimizers and schedules of a resumed run: the state's, but for what the options say otherwise now.

A state brings its own learning rates, betas and milestones along, and loading it overwrites what the options have
built. What differs is put back; a rate or a schedule that differs is followed from the first iteration on, by the
model's own method, so that the rate is that of a run that has had it all along, to the last bit.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from copy import deepcopy
from math import isclose
from typing import Any, NamedTuple

from usrda_plugin.models.stepping import fit_state

# how a step is computed, on which nothing depends that a state has kept
_OF_THE_KERNEL = ("fused", "foreach", "capturable", "differentiable")
_OF_THE_RATE = ("lr", "initial_lr")
# where a schedule stands, in the place of what it is
_PROGRESS = ("last_epoch", "_step_count", "_last_lr", "_get_lr_called_within_step", "_is_initial", "verbose")


class Built(NamedTuple):
    """What the options have built: the groups of each optimizer without parameters, and each schedule."""

    groups: list[list[dict[str, Any]]]
    schedules: list[dict[str, Any]]

    @classmethod
    def of(cls, model: Any) -> Built:
        """Remember it, before a state is loaded."""
        groups = [[_settings(group) for group in optimizer.param_groups] for optimizer in model.optimizers]
        return cls(deepcopy(groups), [deepcopy(schedule.state_dict()) for schedule in model.schedulers])

    def fit(self, model: Any) -> None:
        """Compute steps as the options say, whatever the run did that saved the state."""
        for optimizer, groups in zip(model.optimizers, self.groups, strict=True):
            # a kernel that can be captured counts its steps on the device, as a fused one does
            fit_state(optimizer, [built.get("fused") or built.get("capturable") for built in groups])
            for group, built in zip(optimizer.param_groups, groups, strict=True):
                group.update({name: built[name] for name in _OF_THE_KERNEL if name in built})

    def apply(self, model: Any, *, warmup_changed: bool, follow: Callable[[], None]) -> list[str]:
        """Put back what the loaded state has otherwise; returns a line for each.

        ``follow`` takes the rates of a model that stands at its beginning through all iterations up to now.
        """
        found = [
            f"{name} of optimizer {number + 1}: the state has {loaded!r}, the options {built!r}"
            for number, (optimizer, groups) in enumerate(zip(model.optimizers, self.groups, strict=True))
            for name, loaded, built in _put_settings(optimizer, groups)
        ]
        rates = [line for number in range(len(self.groups)) for line in self._rates(model, number)]
        if rates or warmup_changed:
            before = _rates_now(model)
            self._begin(model)
            follow()
            now = _rates_now(model)
            if not rates and not all(map(isclose, now, before)):
                rates = [f"learning rate here: the state has {before}, the options {now}"]
        return found + rates

    def _rates(self, model: Any, number: int) -> list[str]:
        """How the learning rate of an optimizer, or its schedule, is not what the options say."""
        found = []
        for group, built in zip(model.optimizers[number].param_groups, self.groups[number], strict=True):
            if group.get("initial_lr") != built.get("initial_lr"):
                found.append(f"lr of optimizer {number + 1}: the state has {group.get('initial_lr')}, "
                             f"the options {built.get('initial_lr')}")  # fmt: skip
        loaded, own = _kind(model.schedulers[number].state_dict()), _kind(self.schedules[number])
        if own.keys() != loaded.keys():
            others = ", ".join(sorted(loaded.keys() - own.keys()))
            return [*found, f"kind of schedule of optimizer {number + 1}: the state's has {others}"]
        differing = [key for key in own if key != "base_lrs" and loaded.get(key) != own.get(key)]
        found += [
            f"{key} of the schedule of optimizer {number + 1}: the state has {loaded.get(key)}, "
            f"the options {own.get(key)}"
            for key in differing
        ]
        return found

    def _begin(self, model: Any) -> None:
        """Take rates and schedules back to the first iteration."""
        for optimizer, groups in zip(model.optimizers, self.groups, strict=True):
            for group, built in zip(optimizer.param_groups, groups, strict=True):
                group.update({name: built[name] for name in _OF_THE_RATE if name in built})
        for schedule, built in zip(model.schedulers, self.schedules, strict=True):
            for name in schedule.state_dict().keys() - built.keys():
                delattr(schedule, name)  # of a schedule of another type
            schedule.load_state_dict(deepcopy(built))


def follow_rates(update: Callable[..., None], iteration: int, warmup_iter: int) -> None:
    """Let a model update its learning rates as it does in the iterations up to ``iteration``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch misses the optimizer's steps
        for current in range(1, iteration + 1):
            update(current, warmup_iter=warmup_iter)


def _rates_now(model: Any) -> list[float]:
    return [group["lr"] for optimizer in model.optimizers for group in optimizer.param_groups]


def _settings(group: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in group.items() if name != "params"}


def _put_settings(optimizer: Any, groups: list[dict[str, Any]]) -> list[tuple[str, Any, Any]]:
    """Put back settings that a state has changed, rates apart; gives name, the state's and the options' value."""
    found = []
    for group, built in zip(optimizer.param_groups, groups, strict=True):
        for name, value in built.items():
            if name in _OF_THE_RATE or name in _OF_THE_KERNEL or _same(group.get(name), value):
                continue
            found.append((name, group.get(name), value))
            group[name] = value
    return found


def _same(one: Any, other: Any) -> bool:
    both = isinstance(one, list | tuple) and isinstance(other, list | tuple)
    return list(one) == list(other) if both else bool(one == other)


def _kind(state: Mapping[str, Any]) -> dict[str, Any]:
    """What a schedule is, in values that compare: of a list, a tuple and a counter the contents count."""
    return {
        name: dict(value) if isinstance(value, Mapping) else list(value) if isinstance(value, list | tuple) else value
        for name, value in state.items()
        if name not in _PROGRESS
    }

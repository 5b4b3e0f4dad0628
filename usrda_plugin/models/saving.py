"""What BasicSR saves of a model: networks and training states, whole, by its names, and never with wrong numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from usrda_plugin.models.divergence import TrainingDiverged, unsaved_message
from usrda_plugin.models.non_finite import has_finite_moments, wrong_weights
from usrda_plugin.weights.writing import write


def weights_of(network: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of a network, bare of data parallelism, on the CPU and in the usual layout."""
    return {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}


def save_network(model: Any, net: Any, label: str, current_iter: int | str, key: Any, **more: Any) -> None:
    """Save one or several versions of a model's network by BasicSR's names, in the first process; -1 is the latest.

    Raises TrainingDiverged, in all processes, where weights are not finite: such a file would be resumed from.
    """
    nets, keys = (value if isinstance(value, list) else [value] for value in (net, key))
    bare = {key: model.get_bare_model(each) for key, each in zip(keys, nets, strict=True)}
    for key, network in bare.items():
        wrong = wrong_weights(network)
        if wrong:
            raise TrainingDiverged(unsaved_message(f"{label} ({key})", wrong, _states(model)))
    if model.opt["rank"] != 0:
        return
    weights = {key: weights_of(network) for key, network in bare.items()}
    name = f"{label}_{'latest' if current_iter == -1 else current_iter}.pth"
    write({**weights, **more}, Path(model.opt["path"]["models"], name))


def save_training_state(model: Any, epoch: int, current_iter: int, **more: Any) -> None:
    """Save a model's training state by BasicSR's names, in the first process; none of the latest networks.

    Raises TrainingDiverged, in all processes, where an optimizer's moments are not finite.
    """
    if current_iter == -1:
        return
    wrong = [f"optimizer {number}" for number, each in enumerate(model.optimizers) if not has_finite_moments(each)]
    if wrong:
        raise TrainingDiverged(
            unsaved_message(f"the training state of iteration {current_iter}", wrong, _states(model))
        )
    if model.opt["rank"] != 0:
        return
    state: dict[str, Any] = {"epoch": epoch, "iter": current_iter}
    for kind in ("optimizers", "schedulers"):
        state[kind] = [one.state_dict() for one in getattr(model, kind)]
    write({**state, **more}, Path(model.opt["path"]["training_states"], f"{current_iter}.state"))


def _states(model: Any) -> Path:
    return Path(model.opt["path"]["training_states"])

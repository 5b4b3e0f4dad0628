"""Files that training writes: whole under their name, or not there; several of them all at once, or none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import nn

from usrda_plugin.models.divergence import TrainingDiverged, unsaved_message
from usrda_plugin.models.finite_weights import has_finite_moments, wrong_weights

UNFINISHED = ".{}.unfinished"
"""The name that a file has until it is whole; what a killed process leaves under such a name is nobody's."""

_together: ContextVar[list[Path] | None] = ContextVar("_together", default=None)


class SaveError(OSError):
    """A file of a run could not be written; the ones before are whole."""


def write(content: Mapping[str, Any], file: Path) -> None:
    """Write a file of tensors, numbers and text by ``torch.save``; until it is whole it has another name.

    Within ``together`` it takes its name with the others. Raises SaveError.
    """
    _write(file, lambda handle: torch.save(dict(content), handle))


def write_text(file: Path, text: str) -> None:
    """As ``write``, a text file."""
    _write(file, lambda handle: handle.write(text.encode()))


def _write(file: Path, fill: Callable[[BinaryIO], object]) -> None:
    unfinished = file.with_name(UNFINISHED.format(file.name))
    try:
        with unfinished.open("wb") as handle:
            fill(handle)
            handle.flush()
            os.fsync(handle.fileno())
        others = _together.get()
        if others is None:
            unfinished.replace(file)
            settle(file.parent)
        else:
            others.append(file)
    except (OSError, RuntimeError) as error:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        # torch's own words for a full disk, "unexpected pos", have the system's behind them
        reason = error.__context__ if isinstance(error.__context__, OSError) else error
        raise SaveError(f"{file}: cannot be written ({reason})") from error


@contextmanager
def together() -> Iterator[list[Path]]:
    """While open, files are written under other names; at the end all get their own, in order, after an error none.

    Gives the list of the files, which grows. Raises SaveError.
    """
    files: list[Path] = []
    token = _together.set(files)
    try:
        yield files
        try:
            for file in files:
                file.with_name(UNFINISHED.format(file.name)).replace(file)
            for folder in {file.parent for file in files}:
                settle(folder)
        except OSError as error:
            raise SaveError(f"{file}: cannot be given its name ({error})") from error
    finally:
        _together.reset(token)
        for file in files:
            with suppress(OSError):
                file.with_name(UNFINISHED.format(file.name)).unlink(missing_ok=True)


def clear_unfinished(folder: Path) -> None:
    """Remove what killed processes have left half written in a folder."""
    for file in folder.glob(UNFINISHED.format("*")):
        file.unlink(missing_ok=True)


def settle(folder: Path) -> None:
    """Have a folder's names on the disk, where the system knows such a thing."""
    if os.name == "nt":
        return
    number = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems refuse it
            os.fsync(number)
    finally:
        os.close(number)


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

"""What ``basicsr.train`` calls in the place of its own functions, so that a ``TrainingRun`` sees what it sets up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain, count
from math import ceil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import basicsr.train
import torch
from torch import nn

from usrda_plugin.models.checkpoint_store import MORE, CheckpointStore
from usrda_plugin.training.changes import (
    Change,
    advice,
    allow_missing_networks,
    changed_terms,
    changes,
    flatten,
    refuse,
)
from usrda_plugin.training.display import Display
from usrda_plugin.training.messages import message_logger
from usrda_plugin.training.run import TrainingRun
from usrda_plugin.training.run_folder import RunLock
from usrda_plugin.training.sampler_state import check_processes
from usrda_plugin.training.stopping import StopRequest
from usrda_plugin.weights import read_tensors


class TrainingHooks:
    """The functions of one training that take the place of BasicSR's, by the same names.

    Args:
        stop_request: what may ask the training to stop.
        lock: the right to its folder; None in processes that do not write.
        display: what shows how it goes.
        auto_resume: whether it goes on where it finds a checkpoint.
    """

    def __init__(self, stop_request: StopRequest, lock: RunLock | None, display: Display, *, auto_resume: bool) -> None:
        self.run = TrainingRun(stop_request, display)
        self.display = display
        self.lock = lock
        self.auto_resume = auto_resume
        self.state: dict[str, Any] | None = None
        """BasicSR's training state from which the run goes on."""
        self._keeps_folders = False
        self._original = SimpleNamespace(**vars(basicsr.train))

    def functions(self) -> dict[str, Callable[..., Any]]:
        """What is to be put into the module ``basicsr.train``, by name."""
        hooks = (
            self.load_resume_state,
            self.make_exp_dirs,
            self.mkdir_and_rename,
            self.get_time_str,
            self.get_root_logger,
            self.init_tb_loggers,
            self.create_train_val_dataloader,
            self.build_model,
        )
        return {
            **{hook.__name__: hook for hook in hooks},
            "CPUPrefetcher": _watched(self._original.CPUPrefetcher, self.run),
            "CUDAPrefetcher": _watched(self._original.CUDAPrefetcher, self.run),
            "MessageLogger": message_logger(self._original.MessageLogger, self.display, lambda: self.run.model),
        }

    def how_to_go_on(self, remedy: str) -> str:
        """Say from which checkpoint the run can go on after the remedy, or that there is none."""
        return CheckpointStore.of(self.run.opt).how_to_go_on(remedy)

    # ------------------------------------------------------------------ in the order in which BasicSR calls them

    def load_resume_state(self, opt: dict[str, Any]) -> dict[str, Any] | None:
        """Load the state from which the run goes on, with what stands beside it.

        Raises ValueError where that does not fit.
        """
        if self.lock:
            CheckpointStore.of(opt).clear()
        self.run.opt, self.run.options = opt, flatten({**opt, **_threads(opt)})
        self.state = self._original.load_resume_state(opt)
        if self.state is not None:
            self._load_more(opt, int(self.state["iter"]))
        return self.state

    def make_exp_dirs(self, opt: dict[str, Any]) -> None:
        """Make the run's folders; what an earlier run has left in them is moved aside, unless it has saved nothing."""
        folders = {key: Path(opt["path"][key]) for key in ("models", "training_states", "log", "visualization")}
        self._keeps_folders = self.auto_resume and _has_nothing(folders["models"], folders["training_states"])
        if self._keeps_folders:
            for folder in folders.values():
                folder.mkdir(parents=True, exist_ok=True)
        else:
            if self.lock:
                self.lock.let_move()
            self._original.make_exp_dirs(opt)

    def mkdir_and_rename(self, path: str) -> None:
        """Make TensorBoard's folder, as ``make_exp_dirs`` makes the others."""
        if self._keeps_folders:
            Path(path).mkdir(parents=True, exist_ok=True)
        else:
            self._original.mkdir_and_rename(path)

    def get_time_str(self) -> str:
        """Name the log: two starts in one second must not share it, as the later would empty it."""
        name, log = self._original.get_time_str(), Path(self.run.opt["path"]["log"])
        stamps = chain([name], (f"{name}_{number}" for number in count(2)))
        return next(unused for unused in stamps if not any(log.glob(f"*_{unused}.log")))

    def get_root_logger(self, *arguments: Any, **named: Any) -> Any:
        """Begin the log, and the screen above which its lines go on."""
        logger = self._original.get_root_logger(*arguments, **named)
        self.display.take_over(logger, self.run.opt)
        return logger

    def init_tb_loggers(self, opt: dict[str, Any]) -> Any:
        """Begin TensorBoard's log."""
        self.run.board = self._original.init_tb_loggers(opt)
        return self.run.board

    def create_train_val_dataloader(self, opt: dict[str, Any], logger: Any) -> tuple[Any, ...]:
        """Make the loaders; the number of epochs is such that they last to the end of a run that goes on."""
        train, sampler, validations, epochs, total = self._original.create_train_val_dataloader(opt, logger)
        self.run.sampler, self.run.batch, self.run.validations = sampler, train.batch_size, tuple(validations)
        if hasattr(train.dataset, "describe"):
            logger.info(f"Training images: {train.dataset.describe()}.")
        return train, sampler, validations, self._last_epoch(train, epochs, total), total

    def build_model(self, opt: dict[str, Any]) -> Any:
        """Build the model. Raises ValueError where the checkpoint has not the networks that it trains, or has more."""
        if self.lock:
            self.lock.settle()
        try:
            model = self._original.build_model(opt)
        except FileNotFoundError as error:
            if self.state is None:
                raise
            iteration = int(self.state["iter"])
            raise ValueError(
                f"{error}; checkpoint {iteration} was trained without it{changed_terms(self.run.changes)}\n"
                f"{advice(_network(opt, iteration))}"
            ) from error
        if self.state is not None:
            _check_networks(opt, model, self.state, self.run.changes)
        self.run.attach(model)
        return model

    # ------------------------------------------------------------------ going on

    def _load_more(self, opt: dict[str, Any], iteration: int) -> None:
        """Take what stands beside the state of an iteration. Raises ValueError where it does not fit."""
        _check_end(opt, iteration)
        restored = self.run.restored = _read_more(opt)
        if restored is not None and restored.get("options") is not None:
            kept = {label.replace("net_", "network_", 1) for label in _saved_networks(opt, iteration)}
            self.run.changes = allow_missing_networks(changes(restored["options"], self.run.options), kept)
            refuse(self.run.changes, iteration, _network(opt, iteration))

    def _last_epoch(self, loader: Any, epochs: int, total: int) -> int:
        """BasicSR's last epoch, or a later one where those before a resume were shorter than epochs are now."""
        if self.state is None:
            return epochs
        begun, missing = int(self.state["epoch"]), total - int(self.state["iter"])
        used = self.run.restored["position"]["samples"] if self.run.restored else 0
        rest = max(len(loader) - used // (loader.batch_size * self.run.opt["world_size"]), 0)
        # BasicSR trains its last epoch too, and counts on in epochs in which nothing is left to do
        return max(epochs, begun + ceil((missing - rest) / max(len(loader), 1)))


def _has_nothing(models: Path, states: Path) -> bool:
    """Whether a run's folder is there, but nothing in it that a kill in its first save, or before, has not left."""
    numbers = {file.stem.rpartition("_")[2] for file in models.glob("*.pth") if file.name != "net_g_best.pth"}
    return models.is_dir() and all((states / f"{number}{MORE}").is_file() for number in numbers)


def _read_more(opt: dict[str, Any]) -> dict[str, Any] | None:
    """What a run has saved beside BasicSR's training state; None beside one of BasicSR itself.

    Raises ValueError where it is another number of processes that would go on.
    """
    state = Path(opt["path"]["resume_state"])
    file = state.with_suffix(MORE)
    if not file.is_file():
        return None
    restored: dict[str, Any] = read_tensors(file)
    check_processes(opt, restored["position"], state.name)
    return restored


def _threads(opt: Mapping[str, Any]) -> dict[str, int]:
    """The threads that compute, where a training on the CPU depends on their number."""
    return {"threads": torch.get_num_threads()} if opt["num_gpu"] == 0 else {}


def _check_end(opt: Mapping[str, Any], iteration: int) -> None:
    """Raise ValueError where training would have to end before the checkpoint from which it goes on."""
    total = opt["train"]["total_iter"]
    if total < iteration:
        raise ValueError(
            f"train: total_iter: expected {iteration} or more, the iteration of the checkpoint, found {total}; write a"
            " larger number, or go on from an earlier checkpoint (path: resume_state)"
        )


def _network(opt: Mapping[str, Any], iteration: int) -> str:
    """The file of a checkpoint's generator."""
    return str(Path(opt["path"]["models"], f"net_g_{iteration}.pth"))


def _saved_networks(opt: Mapping[str, Any], iteration: int) -> set[str]:
    """The labels of a checkpoint's networks, such as net_g."""
    files = CheckpointStore.of(opt).files(iteration)
    return {file.stem.rpartition("_")[0] for file in files if file.suffix == ".pth"}


def _check_networks(opt: dict[str, Any], model: Any, state: Mapping[str, Any], found: list[Change] | None) -> None:
    """Raise ValueError where a checkpoint has networks that are not trained now, or moments that do not fit."""
    iteration = int(state["iter"])
    saved = _saved_networks(opt, iteration)
    gone = sorted(label for label in saved if not isinstance(vars(model).get(label), nn.Module))
    built = [optimizer.state_dict() for optimizer in model.optimizers]
    if gone:
        fault = f"that {', '.join(gone)} of it would not be trained on: their moments cannot be left out"
    elif [_parameters(optimizer) for optimizer in built] != [_parameters(one) for one in state["optimizers"]]:
        fault = "other parameters to train: the moments of their optimizer cannot be divided"
    else:
        _check_moments(built, state["optimizers"], iteration, _network(opt, iteration))
        return
    raise ValueError(
        f"expected the networks and terms with which checkpoint {iteration} was trained, found {fault}"
        f"{changed_terms(found)}\n{advice(_network(opt, iteration))}"
    )


def _check_moments(built: list[Any], saved: list[Any], iteration: int, network: str) -> None:
    """Raise ValueError where a state, which need not have kept its options, is of optimizers of another kind."""
    for number, (own, other) in enumerate(zip(built, saved, strict=True), start=1):
        for group, loaded in zip(own["param_groups"], other["param_groups"], strict=True):
            amsgrad = group.get("amsgrad"), loaded.get("amsgrad", group.get("amsgrad"))
            unknown = sorted(loaded.keys() - group.keys() - {"initial_lr"})
            if unknown or amsgrad[0] != amsgrad[1]:
                fault = f"one without {', '.join(unknown)}" if unknown else f"amsgrad: {amsgrad[0]} for {amsgrad[1]}"
                raise ValueError(
                    f"expected optimizer {number} of the kind with which checkpoint {iteration} was trained, found"
                    f" {fault} (train: optim_*)\n{advice(network)}"
                )


def _parameters(optimizer: Mapping[str, Any]) -> list[int]:
    return [len(group["params"]) for group in optimizer["param_groups"]]


def _watched(prefetcher: Any, run: TrainingRun) -> Any:
    """A class of prefetcher that tells the run when no batch is under way."""

    class Prefetcher(prefetcher):
        def reset(self) -> None:
            super().reset()
            run.begin_epoch()

        def next(self) -> Any:
            run.between_iterations()
            return super().next()

    return Prefetcher

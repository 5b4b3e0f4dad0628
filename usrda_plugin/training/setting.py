"""What ``basicsr.train`` calls in the place of its own functions, so that a ``Run`` sees what it sets up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import chain, count
from math import ceil
from pathlib import Path
from typing import Any

import torch
from torch import nn

from usrda_plugin.models.checkpoint_store import Sets
from usrda_plugin.training.changes import Change, changes, flat, of_terms, refuse, way, weighed
from usrda_plugin.training.run import Run
from usrda_plugin.training.run_lock import Claim
from usrda_plugin.training.sampler_state import check_processes
from usrda_plugin.training.stopping import StopWish
from usrda_plugin.weights import read_tensors

Substitutes = dict[str, Callable[..., Any]]


class Training:
    """The setting of a run.

    Args:
        wish: what may ask it to stop.
        claim: the right to its folder; None in processes that do not write.
        auto_resume: whether it goes on where it finds a checkpoint.
    """

    def __init__(self, wish: StopWish, claim: Claim | None, auto_resume: bool) -> None:
        self.run = Run(wish)
        self.claim = claim
        self.auto_resume = auto_resume
        self.state: dict[str, Any] | None = None
        """BasicSR's training state from which the run goes on."""

    def way_on(self, remedy: str) -> str:
        """Say from which checkpoint the run can go on after the remedy, or that there is none."""
        return Sets.of(self.run.opt).way_on(remedy)

    def substitutes(self, runner: Any) -> Substitutes:
        """The functions and classes to be put into the module ``basicsr.train``."""
        return {
            **self._of_set_up(runner),
            **self._of_folders(runner),
            "CPUPrefetcher": _between(runner.CPUPrefetcher, self.run),
            "CUDAPrefetcher": _between(runner.CUDAPrefetcher, self.run),
        }

    def _of_set_up(self, runner: Any) -> Substitutes:
        theirs = {name: getattr(runner, name) for name in
                  ("load_resume_state", "create_train_val_dataloader", "init_tb_loggers", "build_model")}  # fmt: skip
        run = self.run

        def load_resume_state(opt: dict[str, Any]) -> Any:
            if self.claim:
                Sets.of(opt).clear()
            run.opt, run.options = opt, flat({**opt, **_threads(opt)})
            self.state = theirs["load_resume_state"](opt)
            self._look_beside(opt)
            return self.state

        def create_train_val_dataloader(opt: dict[str, Any], logger: Any) -> Any:
            loaders = theirs["create_train_val_dataloader"](opt, logger)
            run.sampler, run.batch, run.validations = loaders[1], loaders[0].batch_size, tuple(loaders[2])
            return *loaders[:3], self._last_epoch(loaders[0], *loaders[3:]), loaders[4]

        def init_tb_loggers(opt: dict[str, Any]) -> Any:
            run.board = theirs["init_tb_loggers"](opt)
            return run.board

        def build_model(opt: dict[str, Any]) -> Any:
            if self.claim:
                self.claim.settle()
            model = self._built(theirs["build_model"], opt)
            run.attach(model)
            return model

        return {function.__name__: function for function in
                (load_resume_state, create_train_val_dataloader, init_tb_loggers, build_model)}  # fmt: skip

    def _look_beside(self, opt: dict[str, Any]) -> None:
        """Take what stands beside the state, if the run goes on from one. Raises ValueError where it does not fit."""
        if self.state is None:
            return
        iteration = int(self.state["iter"])
        _check_end(opt, iteration)
        self.run.restored = _beside(opt)
        saved = (self.run.restored or {}).get("options")
        if saved is not None:
            kept = {label.replace("net_", "network_", 1) for label in _saved_networks(opt, iteration)}
            self.run.changes = weighed(changes(saved, self.run.options), kept)
            refuse(self.run.changes, iteration, _network(opt, iteration))

    def _built(self, build_model: Callable[..., Any], opt: dict[str, Any]) -> Any:
        """The model. Raises ValueError where the checkpoint has not the networks that it trains, or has more."""
        if self.state is None:
            return build_model(opt)
        try:
            model = build_model(opt)
        except FileNotFoundError as error:
            iteration = int(self.state["iter"])
            raise ValueError(
                f"{error}; checkpoint {iteration} was trained without it{of_terms(self.run.changes)}\n"
                f"{way(_network(opt, iteration))}"
            ) from error
        _check_networks(opt, model, self.state, self.run.changes)
        return model

    def _last_epoch(self, loader: Any, epochs: int, total: int) -> int:
        """BasicSR's last epoch, or a later one where those before a resume were shorter than epochs are now."""
        if self.state is None:
            return epochs
        begun, missing = int(self.state["epoch"]), total - int(self.state["iter"])
        used = self.run.restored["position"]["samples"] if self.run.restored else 0
        rest = max(len(loader) - used // (loader.batch_size * self.run.opt["world_size"]), 0)
        # BasicSR trains its last epoch too, and counts on in epochs in which nothing is left to do
        return max(epochs, begun + ceil((missing - rest) / max(len(loader), 1)))

    def _of_folders(self, runner: Any) -> Substitutes:
        """What moves the folders of an earlier run aside; not those of a run that was killed before it had saved."""
        make, move, stamp = runner.make_exp_dirs, runner.mkdir_and_rename, runner.get_time_str

        def make_exp_dirs(opt: dict[str, Any]) -> None:
            self._keeps = self.auto_resume and _has_nothing(
                Path(opt["path"]["models"]), Path(opt["path"]["training_states"])
            )
            if not self._keeps:
                if self.claim:
                    self.claim.let_move()
                make(opt)
                return
            for key in ("models", "training_states", "log", "visualization"):
                Path(opt["path"][key]).mkdir(parents=True, exist_ok=True)

        def mkdir_and_rename(path: str) -> None:
            if self._keeps:
                Path(path).mkdir(parents=True, exist_ok=True)
            else:
                move(path)

        def get_time_str() -> str:
            # names the log: two starts in one second must not share it, as the later would empty it
            name, log = stamp(), Path(self.run.opt["path"]["log"])
            stamps = chain([name], (f"{name}_{number}" for number in count(2)))
            return next(unused for unused in stamps if not any(log.glob(f"*_{unused}.log")))

        return {function.__name__: function for function in (make_exp_dirs, mkdir_and_rename, get_time_str)}


def _has_nothing(models: Path, states: Path) -> bool:
    """Whether a run's folder is there, but nothing in it that a kill in its first save, or before, has not left."""
    numbers = {file.stem.rpartition("_")[2] for file in models.glob("*.pth") if file.name != "net_g_best.pth"}
    return models.is_dir() and all((states / f"{number}.more").is_file() for number in numbers)


def _beside(opt: dict[str, Any]) -> dict[str, Any] | None:
    """What a run has saved beside BasicSR's training state; None beside one of BasicSR itself.

    Raises ValueError where it is another number of processes that would go on.
    """
    state = Path(opt["path"]["resume_state"])
    file = state.with_suffix(".more")
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
    return {file.stem.rpartition("_")[0] for file in Sets.of(opt).files(iteration) if file.suffix == ".pth"}


def _check_networks(opt: dict[str, Any], model: Any, state: Mapping[str, Any], found: list[Change] | None) -> None:
    """Raise ValueError where a checkpoint has networks that are not trained now, or moments that do not fit."""
    iteration = int(state["iter"])
    saved = _saved_networks(opt, iteration)
    gone = sorted(label for label in saved if not isinstance(vars(model).get(label), nn.Module))
    own = [optimizer.state_dict() for optimizer in model.optimizers]
    if gone:
        fault = f"that {', '.join(gone)} of it would not be trained on: their moments cannot be left out"
    elif [_parameters(optimizer) for optimizer in own] != [_parameters(one) for one in state["optimizers"]]:
        fault = "other parameters to train: the moments of their optimizer cannot be divided"
    else:
        _check_moments(own, state["optimizers"], iteration, _network(opt, iteration))
        return
    raise ValueError(
        f"expected the networks and terms with which checkpoint {iteration} was trained, found {fault}"
        f"{of_terms(found)}\n{way(_network(opt, iteration))}"
    )


def _check_moments(own: list[Any], saved: list[Any], iteration: int, network: str) -> None:
    """Raise ValueError where a state, which need not have kept its options, is of optimizers of another kind."""
    for number, (mine, theirs) in enumerate(zip(own, saved, strict=True), start=1):
        for group, loaded in zip(mine["param_groups"], theirs["param_groups"], strict=True):
            amsgrad = group.get("amsgrad"), loaded.get("amsgrad", group.get("amsgrad"))
            unknown = sorted(loaded.keys() - group.keys() - {"initial_lr"})
            if unknown or amsgrad[0] != amsgrad[1]:
                fault = f"one without {', '.join(unknown)}" if unknown else f"amsgrad: {amsgrad[0]} for {amsgrad[1]}"
                raise ValueError(
                    f"expected optimizer {number} of the kind with which checkpoint {iteration} was trained, found"
                    f" {fault} (train: optim_*)\n{way(network)}"
                )


def _parameters(optimizer: Mapping[str, Any]) -> list[int]:
    return [len(group["params"]) for group in optimizer["param_groups"]]


def _between(prefetcher: Any, run: Run) -> Any:
    """A class of prefetcher that tells the run when no batch is under way."""

    class Prefetcher(prefetcher):
        def reset(self) -> None:
            super().reset()
            run.begin_epoch()

        def next(self) -> Any:
            run.between()
            return super().next()

    return Prefetcher

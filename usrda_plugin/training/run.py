"""``TrainingRun``: what a training needs beside BasicSR's loop to be stopped at any moment and go on as before.

BasicSR's loop asks its model to save before it validates. A run saves when all of the iteration is done, before the
next batch is fetched, so that a checkpoint has everything that its iterations brought and nothing of the next. There
it also stops when it is asked to; in a validation it stops at once, and validates again when it goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from logging import INFO, WARNING
from typing import Any, NamedTuple

import torch.distributed
from basicsr.utils import get_root_logger

from usrda_plugin.models.checkpoint_store import CheckpointStore
from usrda_plugin.models.validation import last_validated, watch_images
from usrda_plugin.training.changes import METRICS, OF_THE_STEP, WARMUP, Change, Options, log_line
from usrda_plugin.training.display import Display
from usrda_plugin.training.sampler_state import (
    RandomState,
    SamplerState,
    random_state,
    restore_random,
    restore_sampler,
)
from usrda_plugin.training.schedules import Built, follow_rates
from usrda_plugin.training.stopping import Stopped, StopRequest
from usrda_plugin.weights.writing import together, write

LATEST = -1


class _ModelMethods(NamedTuple):
    """The methods of a model of which a run takes the place."""

    save: Callable[..., None]
    validation: Callable[..., None]
    update_learning_rate: Callable[..., None]
    resume_training: Callable[..., None]


class TrainingRun:
    """A training, as its model's callers see it.

    Args:
        stop_request: what may ask it to stop.
        display: what shows how it goes.
    """

    def __init__(self, stop_request: StopRequest, display: Display) -> None:
        self.stop_request = stop_request
        self.display = display
        self.opt: dict[str, Any] = {}
        self.model: Any = None
        self.sampler: Any = None
        self.batch = 0
        """Samples that the loader of this process gives at a time."""
        self.options: Options = {}
        """The options by place, before anybody takes them apart."""
        self.changes: list[Change] | None = None
        """How they differ from those of the checkpoint from which the run goes on; None: that has kept none."""
        self.validations: tuple[Any, ...] = ()
        self.board: Any = None
        self.restored: dict[str, Any] | None = None
        """What stood beside the training state from which the run goes on, until all of it has been used."""
        self.iteration = 0
        self.sampler_state = SamplerState()
        self.saved_at = 0
        self.due_epoch: int | None = None
        """The epoch of a checkpoint that is to be written when this iteration is done."""
        self.random_before_validation: RandomState | None = None
        """The random generators before the validation of this iteration."""

    # ------------------------------------------------------------------ the loop is about to begin

    def attach(self, model: Any) -> None:
        """Take the place of some of the model's methods."""
        self.model = model
        self._original = _ModelMethods(model.save, model.validation, model.update_learning_rate, model.resume_training)
        model.save, model.validation = self.save, self.validation
        model.update_learning_rate, model.resume_training = self.update_learning_rate, self.resume_training

    def resume_training(self, state: dict[str, Any]) -> None:
        """Go on with what the model has saved, and with what the run has."""
        built = Built.of(self.model)
        self._original.resume_training(state)
        self.iteration = self.saved_at = int(state["iter"])
        self._apply_options(built)
        if self.restored is None:
            get_root_logger().warning(
                f"Training state {self.iteration} was saved without the position in the data, the random generators"
                " and the best metrics: the epoch begins again, and the run will not be as if never stopped."
            )
            return
        self._restore(self.restored)
        rest = "." if self.restored["validated"] else "; its validation comes first."
        get_root_logger().info(
            f"Restored at iteration {self.iteration}: networks, averages, optimizers, schedulers,"
            f" {self.sampler_state}, random generators, best metrics{rest}"
        )
        if self.iteration == self.opt["train"]["total_iter"]:
            self._log_finished(self.restored)

    def _restore(self, restored: dict[str, Any]) -> None:
        """Go on with what stood beside the training state, but for the random generators, which come last."""
        warning = restore_sampler(self.sampler, self.opt, restored["position"])
        if warning:
            get_root_logger().warning(warning)
        self.sampler_state = SamplerState.restored(restored["position"])
        best = still_measured(restored["best_metrics"], (self.opt.get("val") or {}).get("metrics") or {})
        if best and not any(change.place.startswith(METRICS) for change in self.changes or ()):
            self.model.best_metric_results = best
        if hasattr(self.model, "restore_skipped"):
            self.model.restore_skipped(restored["skipped"])
        if hasattr(self.model, "restore_pool") and "pool" in restored:
            self.model.restore_pool(restored["pool"][self.opt["rank"]])
        if not restored["validated"] and getattr(self.model, "monitor", None) is not None:
            self.model.monitor.begin(self.iteration - 1)  # measured again with the validation

    def _log_finished(self, restored: dict[str, Any]) -> None:
        """Say that nothing is left to train; a validation that would be the same again is left out."""
        anew = ("train:total_iter", "datasets:val", "val:")
        changed = self.changes is None or any(change.place.startswith(anew) for change in self.changes)
        validates = bool(self.validations) and (changed or not restored["validated"])
        if not validates:
            names = [loader.dataset.opt["name"] for loader in self.validations]
            last_validated(self.model).update(dict.fromkeys(names, self.iteration))
        get_root_logger().info(
            f"Training was done already: checkpoint {self.iteration} is its last (train: total_iter). Its networks are"
            f" written as the latest{', and validated' if validates else ''}; raise total_iter to train on."
        )

    def _apply_options(self, built: Built) -> None:
        """Let the options hold that have changed, in the optimizers and schedules that the state has just filled."""
        logger, changes = get_root_logger(), self.changes or []
        built.fit(self.model)
        places = [change.place for change in changes]
        if self.changes is None or any(place.startswith(OF_THE_STEP) for place in places):
            warmup_iter = self.opt["train"].get("warmup_iter", -1)
            found = built.apply(
                self.model,
                warmup_changed=self.changes is None or WARMUP in places,
                follow=partial(follow_rates, self._original.update_learning_rate, self.iteration, warmup_iter),
            )
            for line in found if self.changes is None else ():
                logger.info(f"Going on with another {line} (applied).")
        for change in changes:
            logger.log(WARNING if change.row.effect == "reported" else INFO, log_line(change))

    def begin_epoch(self) -> None:
        """Called when the loader of an epoch has given no batch yet; after a resume, the generators go on."""
        if self.restored is None:
            return
        restored, self.restored = self.restored, None
        restore_random(restored["random"][self.opt["rank"]])
        if not restored["validated"]:
            self._validate_what_is_left()

    # ------------------------------------------------------------------ in the loop

    def between_iterations(self) -> None:
        """Before the next batch is fetched: save what is due, and stop if that is asked.

        Raises Stopped, and SaveError.
        """
        if self.due_epoch is not None:
            if self.iteration == self.opt["train"]["total_iter"]:
                # BasicSR validates the last one later; a checkpoint has all of its iteration
                self._validate_what_is_left()
            self._write(self.due_epoch, validated=True)
        reason = self.stop_request.agreed()
        if reason is not None:
            self._stop(reason, validated=True)

    def _validate_what_is_left(self) -> None:
        """Validate by each data set that has not been validated by in this iteration."""
        if self.opt.get("val") is None:
            return
        done = last_validated(self.model)
        for loader in self.validations:
            if done.get(loader.dataset.opt["name"]) != self.iteration:
                self.validation(loader, self.iteration, self.board, self.opt["val"]["save_img"])

    def update_learning_rate(self, current_iter: int, *arguments: Any, **named: Any) -> None:
        """The first thing that the loop does in an iteration."""
        self.iteration, self.random_before_validation = current_iter, None
        self.display.train(current_iter)
        self.sampler_state.advance(self.sampler.epoch)
        self._original.update_learning_rate(current_iter, *arguments, **named)

    def save(self, epoch: int, current_iter: int) -> None:
        """Save the last networks now, a checkpoint when its iteration is done."""
        if current_iter == LATEST:
            self.display.do("saving the last networks")
            with together():
                self._original.save(epoch, current_iter)
        else:
            self.due_epoch = epoch

    def validation(self, loader: Any, current_iter: int, *arguments: Any, **named: Any) -> None:
        """Validate; what is due is saved also where that fails or is broken off, marked as not validated."""
        in_loop = current_iter == self.iteration
        name = loader.dataset.opt["name"]
        self.display.do(f"validating by {name}")
        watch_images(self.model, partial(self.display.image, name))
        if in_loop and self.random_before_validation is None:
            self.random_before_validation = random_state()
        try:
            with self._interruptible():
                self._original.validation(loader, current_iter, *arguments, **named)
        except Stopped as stopped:
            self._stop(str(stopped), validated=not in_loop)
        except Exception:
            # of several processes the others may wait elsewhere
            if self.due_epoch is not None and not self.opt["dist"]:
                self._write(self.due_epoch, validated=False)
            raise
        self.display.validated(name, self.model, min(current_iter, self.opt["train"]["total_iter"]))

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        # of several processes the others would wait for the one that broke off
        self.stop_request.may_interrupt = not self.opt["dist"] and self.stop_request.reason is None
        try:
            yield
        finally:
            self.stop_request.may_interrupt = False

    def _stop(self, reason: str, *, validated: bool) -> None:
        if self.saved_at != self.iteration:
            self._write(self.sampler_state.epoch, validated=validated)
        if self.opt["rank"] == 0:
            CheckpointStore.of(self.opt).publish(self.iteration)
        if self.board:
            self.board.close()
        raise Stopped(f"stopped by {reason} after iteration {self.iteration}")

    # ------------------------------------------------------------------ checkpoints

    def _write(self, epoch: int, *, validated: bool) -> None:
        """Write the checkpoint of this iteration, all of it or nothing."""
        iteration, store = self.iteration, CheckpointStore.of(self.opt)
        self.display.do(f"saving checkpoint {iteration}")
        more = self._more(validated=validated)
        with together() as files:
            # first: a state with nothing beside it is stock BasicSR's
            if self.opt["rank"] == 0:
                write(more, store.more(iteration))
            self._original.save(epoch, iteration)
        if self.opt["rank"] == 0:
            store.commit(iteration, {*files, *store.files(iteration)})
            self._retire_newer(store)
            store.prune(iteration, self.opt["logger"].get("keep_last"), self._kept(store))
        self.saved_at, self.due_epoch = iteration, None

    def _more(self, *, validated: bool) -> dict[str, Any]:
        """What stands beside BasicSR's training state."""
        skipped = self.model.skipped_state() if hasattr(self.model, "skipped_state") else {}
        pool = {"pool": _of_all_processes(self.model.pool_state())} if hasattr(self.model, "pool_state") else {}
        randomness = None if validated else self.random_before_validation
        return {
            **pool,
            "position": self.sampler_state.to_save(self.sampler, self.opt, self.batch),
            "options": self.options,
            "random": _of_all_processes(randomness or random_state()),
            "best_metrics": _plain(getattr(self.model, "best_metric_results", {})),
            "skipped": skipped,
            "validated": validated,
        }

    def _retire_newer(self, store: CheckpointStore) -> None:
        retired = store.retire_newer(self.iteration)
        if retired:
            numbers = ", ".join(map(str, retired))
            get_root_logger().warning(
                f"The run has gone back before its checkpoints {numbers}: --auto_resume passes them by."
            )

    def _kept(self, store: CheckpointStore) -> set[int]:
        """The checkpoints that stay: the best ones, and the last one from which steps were taken, not skipped."""
        since = self.model.skipping_since() if hasattr(self.model, "skipping_since") else None
        before = [] if since is None else [number for number in store.iterations() if number < since - 1]
        return self._best_iterations() | {*before[-1:]}

    def _best_iterations(self) -> set[int]:
        if not self.opt["logger"].get("keep_best", True):
            return set()
        metrics = getattr(self.model, "best_metric_results", {}).values()
        return {int(best["iter"]) for results in metrics for best in results.values()}


def still_measured(best: dict[str, Any], metrics: dict[str, Any]) -> dict[str, Any]:
    """The best metrics of the data sets whose metrics are those of the options now; others begin anew."""
    directions = {name: metric.get("better", "higher") for name, metric in metrics.items()}
    return {
        data: records
        for data, records in best.items()
        if {name: record["better"] for name, record in records.items()} == directions
    }


def _of_all_processes(value: Any) -> list[Any]:
    """The values of all processes, by their rank."""
    if not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return [value]
    gathered: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(gathered, value)
    return gathered


def _plain(value: Any) -> Any:
    """Numbers and containers of the language: all that a file of tensors may hold."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return value if isinstance(value, str | int | bool | type(None)) else float(value)

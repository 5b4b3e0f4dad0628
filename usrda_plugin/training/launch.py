"""Start BasicSR's own training and test, with plugins, patches and a checked, resolved option file."""

# ruff: noqa: PT028  (`test` is what BasicSR calls it, and no test of ours)

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, NamedTuple

import basicsr.test
import basicsr.train
import torch.distributed
from basicsr.utils.logger import get_root_logger, initialized_logger

from usrda_plugin.choices import Launcher
from usrda_plugin.compat.options import command_line
from usrda_plugin.compat.plugins import load_plugins
from usrda_plugin.errors import is_first_process
from usrda_plugin.options import dump_options, load_options, notes_on
from usrda_plugin.threads import crowded_threads
from usrda_plugin.training.closing import closing_words, command_to_go_on
from usrda_plugin.training.display import open_display
from usrda_plugin.training.failures import Phase, is_of_full_disk, peer_failures, setup_errors, training_errors
from usrda_plugin.training.hooks import TrainingHooks
from usrda_plugin.training.run_folder import Rollback, RunLock
from usrda_plugin.training.stopping import StopRequest


def train(
    opt_file: str | Path,
    *,
    overrides: Sequence[str] = (),
    plugins: Sequence[str] = (),
    launcher: Launcher = "none",
    auto_resume: bool = False,
    debug: bool = False,
    time_limit: float | None = None,
    root: str | Path | None = None,
    live: bool = True,
    go_on: str | None = None,
) -> None:
    """Train as an option file says, by BasicSR's ``train_pipeline``, into ``root``/experiments.

    ``overrides`` are ``key:key=value``, ``plugins`` module names or files, ``root`` by default the current directory.
    After ``time_limit`` seconds, at SIGTERM and at SIGINT it saves and returns. ``live``: where somebody looks at a
    terminal, one live area shows how it goes. ``go_on`` tells how a stopped run goes on, by default ``basicsr train``.
    Raises SetupError before the training begins, TrainingError where it cannot go on.
    """
    _number_process(launcher)
    stop_request = StopRequest(time_limit)
    options = _load_options("train", Path(opt_file), overrides, plugins)
    root = Path(root or Path.cwd())
    start = _Start("train", options, Path(opt_file).name, launcher, root, debug=debug, auto_resume=auto_resume)
    with setup_errors():
        lock = RunLock(start.folders[0]) if is_first_process() else None
    try:
        with stop_request.listening(), open_display(wanted=live) as display:
            hooks = TrainingHooks(stop_request, lock, display, auto_resume=auto_resume)
            by_basicsr = f"go on with --auto_resume: {command_to_go_on(Path(opt_file), overrides, plugins, launcher)}"
            with (
                _running(start, basicsr.train, hooks.functions(), hooks.how_to_go_on),
                closing_words(lambda: hooks.run.opt, go_on or by_basicsr, display.close),
            ):
                basicsr.train.train_pipeline(str(start.root))
    finally:
        if lock:
            lock.release()


def test(
    opt_file: str | Path,
    *,
    overrides: Sequence[str] = (),
    plugins: Sequence[str] = (),
    launcher: Launcher = "none",
    debug: bool = False,
    root: str | Path | None = None,
) -> None:
    """Test as an option file says, by BasicSR's ``test_pipeline``, into ``root``/results; otherwise as ``train``."""
    _number_process(launcher)
    options = _load_options("test", Path(opt_file), overrides, plugins)
    start = _Start("test", options, Path(opt_file).name, launcher, Path(root or Path.cwd()), debug=debug)
    with _running(start, basicsr.test, {}, lambda remedy: f"testing stops; {remedy}, then test again"):
        basicsr.test.test_pipeline(str(start.root))


class _Start(NamedTuple):
    """What is started: checked options, the name of their file, and what the command line says beside them."""

    phase: Phase
    options: dict[str, Any]
    file_name: str
    launcher: Launcher
    root: Path
    debug: bool
    auto_resume: bool = False

    @property
    def folders(self) -> list[Path]:
        """The folders that the run writes into, its own first."""
        name = self.options["name"]
        if self.debug and not name.startswith("debug"):
            name = f"debug_{name}"
        kinds = ("experiments", "tb_logger") if self.phase == "train" else ("results",)
        return [self.root / kind / name for kind in kinds]

    def arguments(self, file: Path) -> list[str]:
        """The command line by which BasicSR starts it from a file with these options."""
        flags = {"--auto_resume": self.auto_resume, "--debug": self.debug}
        return ["-opt", str(file), "--launcher", self.launcher, *(flag for flag, given in flags.items() if given)]


def _number_process(launcher: Launcher) -> None:
    """Take from srun what torchrun says by these names; BasicSR does so later, when files have been looked at."""
    if launcher == "slurm":
        given = {"RANK": "SLURM_PROCID", "WORLD_SIZE": "SLURM_NTASKS", "LOCAL_RANK": "SLURM_LOCALID"}
        os.environ.update({name: os.environ[srun] for name, srun in given.items() if srun in os.environ})


def _load_options(phase: Phase, opt_file: Path, overrides: Sequence[str], plugins: Sequence[str]) -> dict[str, Any]:
    with setup_errors():
        load_plugins(plugins)
        return load_options(opt_file, is_train=phase == "train", overrides=overrides)


@contextmanager
def _running(
    start: _Start, runner: ModuleType, hooks: Mapping[str, Any], how_to_go_on: Callable[[str], str]
) -> Iterator[None]:
    """While open, the pipeline in BasicSR's module ``runner`` runs as started, and its faults are reported as ours."""
    if start.launcher != "none" and start.options["num_gpu"] == 0:
        # a run that asks for the CPU must not form its process group with nccl
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    set_up = _SetUp(hooks.get("build_model", runner.build_model))
    rollback = Rollback(start.folders)
    with setup_errors():
        place = TemporaryDirectory(prefix="basicsr_options_")
    with place as folder:
        resolved = Path(folder) / start.file_name
        dump_options(start.options, resolved)
        parse_options = _parser(start.arguments(resolved), runner.parse_options)
        with (
            setup_errors(set_up.is_going_on, rollback.undo),
            _clean_process(),
            training_errors(set_up.is_going_on, how_to_go_on),
            peer_failures(start.phase),
            _replaced(runner, {**hooks, "build_model": set_up.build_model, "parse_options": parse_options}),
        ):
            yield


class _SetUp:
    """Knows whether the model stands, which is where setting up ends."""

    def __init__(self, build_model: Callable[[dict[str, Any]], Any]) -> None:
        self._build_model = build_model
        self._built = False

    def build_model(self, opt: dict[str, Any]) -> Any:
        try:
            model = self._build_model(opt)
        except KeyError as error:
            if _innermost_module(error).startswith("basicsr.models."):
                raise ValueError(f"{opt['model_type']} reads the option {error}, which is missing; add it") from error
            raise
        crowded = crowded_threads() if opt.get("num_gpu") == 0 else None
        for note in [*notes_on(opt), *[crowded] * bool(crowded)]:
            get_root_logger().warning(note)
        self._built = True
        return model

    def is_going_on(self) -> bool:
        return not self._built


def _innermost_module(error: BaseException) -> str:
    """The name of the module in which an error was raised."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals["__name__"])


def _parser(arguments: list[str], parse_options: Callable[..., Any]) -> Callable[..., Any]:
    """Let BasicSR parse these arguments, and see elsewhere, as in the copy of the option file, what the user typed."""

    def parse(root_path: str, is_train: bool = True) -> Any:
        with command_line([sys.argv[0], *arguments]):
            return parse_options(root_path, is_train=is_train)

    return parse


@contextmanager
def _replaced(module: ModuleType, replacements: Mapping[str, object]) -> Iterator[None]:
    originals = {name: vars(module)[name] for name in replacements}
    vars(module).update(replacements)
    try:
        yield
    finally:
        vars(module).update(originals)


@contextmanager
def _clean_process() -> Iterator[None]:
    """Close what BasicSR opens once per process: the process group, and the log, which the next would go on with."""
    _close_log()  # a plugin that has logged already has opened one without a file
    hook, threading.excepthook = threading.excepthook, _leaving_out_full_disks(threading.excepthook)
    try:
        yield
    finally:
        threading.excepthook = hook
        _close_log()
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def _leaving_out_full_disks(hook: Callable[[Any], object]) -> Callable[[Any], object]:
    """Of TensorBoard's thread: what it could not write is raised where the next number is handed to it."""
    return lambda failed: None if is_of_full_disk(failed.exc_value) else hook(failed)


def _close_log() -> None:
    logger = logging.getLogger("basicsr")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        with suppress(OSError):  # of a full disk, which has been reported
            handler.close()
    initialized_logger.pop("basicsr", None)

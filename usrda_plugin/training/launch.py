"""Starting BasicSR's own training and test, with plugins, patches and a checked, resolved option file."""

# ruff: noqa: PT028  (`test` is what BasicSR calls it, and no test of ours)

from __future__ import annotations

import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, Literal

import torch.distributed

from usrda_plugin.choices import Launcher
from usrda_plugin.compat.options import UnknownNameError, command_line
from usrda_plugin.compat.plugins import load_plugins
from usrda_plugin.data.workers import what_workers_lack
from usrda_plugin.models.divergence import TrainingDiverged
from usrda_plugin.options import dump_options, load_options, notes_on
from usrda_plugin.training import Claim, Stopped, StopWish, Training
from usrda_plugin.training.errors import SetupError, TrainingError, is_first_process
from usrda_plugin.training.peer_failure import lost_process_told
from usrda_plugin.training.rollback import Footprint
from usrda_plugin.training.threads import crowded_threads
from usrda_plugin.weights.writing import FULL, SaveError

# what a person at the keyboard can mend: these need no traceback as long as nothing has been trained
_FAULTS = (ValueError, OSError, UnknownNameError)


DISK = "mend the disk"


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
) -> None:
    """Train as an option file says, by BasicSR's ``train_pipeline``, into ``root``/experiments.

    ``overrides`` are ``key:key=value``, ``plugins`` module names or files, ``root`` by default the current directory.
    After ``time_limit`` seconds, at SIGTERM and at SIGINT it saves and returns. Raises SetupError before the training
    begins, TrainingError where it cannot go on.
    """
    _number_process(launcher)
    wish = StopWish(time_limit)
    flags = ["--launcher", launcher, *["--auto_resume"] * auto_resume, *["--debug"] * debug]
    options = _prepare(Path(opt_file), True, overrides, plugins)
    root = Path(root or Path.cwd())
    experiment = _folders("train", options, debug, root)[0]
    with _told_without_traceback(lambda: True):
        claim = Claim(experiment) if is_first_process() else None
    try:
        with wish.listening():
            _run("train", Path(opt_file).name, options, flags, root, Training(wish, claim, auto_resume))
    finally:
        if claim:
            claim.release()


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
    flags = ["--launcher", launcher, *["--debug"] * debug]
    options = _prepare(Path(opt_file), False, overrides, plugins)
    _run("test", Path(opt_file).name, options, flags, Path(root or Path.cwd()))


def _number_process(launcher: Launcher) -> None:
    """Take from srun what torchrun says by these names; BasicSR does so later, when files have been looked at."""
    if launcher == "slurm":
        said = {"RANK": "SLURM_PROCID", "WORLD_SIZE": "SLURM_NTASKS", "LOCAL_RANK": "SLURM_LOCALID"}
        os.environ.update({name: os.environ[srun] for name, srun in said.items() if srun in os.environ})


def _prepare(opt_file: Path, is_train: bool, overrides: Sequence[str], plugins: Sequence[str]) -> dict[str, Any]:
    with _told_without_traceback(lambda: True):
        load_plugins(plugins)
        return load_options(opt_file, is_train=is_train, overrides=overrides)


def _run(
    phase: Literal["train", "test"],
    file_name: str,
    options: dict[str, Any],
    flags: list[str],
    root: Path,
    training: Training | None = None,
) -> None:
    if "none" not in flags and options["num_gpu"] == 0:
        # a run that asks for the CPU must not form its process group with nccl
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    runner = import_module(f"basicsr.{phase}")
    substitutes = training.substitutes(runner) if training else {}
    progress = _Progress(substitutes.get("build_model", runner.build_model))
    footprint = Footprint(_folders(phase, options, "--debug" in flags, root))
    with _told_without_traceback(lambda: True):
        place = TemporaryDirectory(prefix="basicsr_options_")
    with place as folder:
        resolved = Path(folder) / file_name
        dump_options(options, resolved)
        substitutes["parse_options"] = _reading(["-opt", str(resolved), *flags], runner.parse_options)
        with (
            _told_without_traceback(progress.before_training, footprint.withdraw),
            _clean_process(),
            _ending_well(progress.before_training, training.way_on if training else _after_test),
            lost_process_told(phase),
            _substituted(runner, **{**substitutes, "build_model": progress.build_model}),
        ):
            getattr(runner, f"{phase}_pipeline")(str(root))


@contextmanager
def _ending_well(before_training: Callable[[], bool], way_on: Callable[[str], str]) -> Iterator[None]:
    """End a training that was stopped as one that is done, and tell what it cannot go on from without a traceback."""
    try:
        yield
    except Stopped as stopped:
        import_module("basicsr.utils").get_root_logger().info(f"Training {stopped}; go on with --auto_resume.")
    except TrainingDiverged as error:
        raise TrainingError(str(error)) from error
    except (OSError, RuntimeError) as error:
        lack = what_workers_lack(error)
        if lack is not None:
            raise TrainingError(f"{lack.found}; {way_on(lack.remedy)}") from error
        if before_training() or not (isinstance(error, SaveError) or getattr(error, "errno", None) in FULL):
            raise
        raise TrainingError(f"{error}; {way_on(DISK)}") from error


def _after_test(remedy: str) -> str:
    return f"testing stops; {remedy}, then test again"


def _innermost_module(error: BaseException) -> str:
    """The name of the module in which an error was raised."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals["__name__"])


class _Progress:
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
            import_module("basicsr.utils").get_root_logger().warning(note)
        self._built = True
        return model

    def before_training(self) -> bool:
        return not self._built


@contextmanager
def _told_without_traceback(
    while_true: Callable[[], bool], take_back: Callable[[], None] = lambda: None
) -> Iterator[None]:
    try:
        yield
    except _FAULTS as fault:
        if not while_true():
            raise
        if is_first_process():
            take_back()
        raise SetupError(str(fault)) from fault
    except BaseException:
        # a fault of ours, or Ctrl-C: told as it is, and nothing half-made is left either
        if while_true() and is_first_process():
            take_back()
        raise


def _reading(arguments: list[str], parse_options: Callable[..., Any]) -> Callable[..., Any]:
    """Let BasicSR parse these arguments, and see elsewhere, as in the copy of the option file, what the user typed."""

    def parse(root_path: str, is_train: bool = True) -> Any:
        with command_line([sys.argv[0], *arguments]):
            return parse_options(root_path, is_train=is_train)

    return parse


@contextmanager
def _substituted(module: ModuleType, **replacements: object) -> Iterator[None]:
    originals = {name: getattr(module, name) for name in replacements}
    vars(module).update(replacements)
    try:
        yield
    finally:
        vars(module).update(originals)


@contextmanager
def _clean_process() -> Iterator[None]:
    """Close what BasicSR opens once per process: the process group, and the log, which the next would go on with."""
    _close_log()  # a plugin that has spoken already has opened one without a file
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
    return lambda failed: None if getattr(failed.exc_value, "errno", None) in FULL else hook(failed)


def _close_log() -> None:
    logger = logging.getLogger("basicsr")
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        with suppress(OSError):  # of a full disk, which has been told
            handler.close()
    import_module("basicsr.utils.logger").initialized_logger.pop("basicsr", None)


def _folders(phase: str, options: dict[str, Any], debug: bool, root: Path) -> list[Path]:
    name = options["name"]
    if debug and not name.startswith("debug"):
        name = f"debug_{name}"
    return [root / kind / name for kind in (["experiments", "tb_logger"] if phase == "train" else ["results"])]

"""Starting BasicSR by an option file, as the command does it, up to the end of the first iteration or image."""

from __future__ import annotations

import io
import shutil
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import basicsr.test
import basicsr.train

from tests.options.fuzz.outcome import Hang, limited
from usrda_plugin.cli.basicsr import main


class Begun(BaseException):
    """A run that has begun, and need not go on."""


class Command(NamedTuple):
    """What ``basicsr train`` or ``basicsr test`` came to: ``code`` None where the run began."""

    code: int | None
    printed: str
    told: str
    violation: str


def start(arguments: Sequence[str]) -> Command:
    """Run ``basicsr`` in this process."""
    printed, told = io.StringIO(), io.StringIO()
    code: int | None = None
    violation = ""
    try:
        with redirect_stdout(printed), redirect_stderr(told), _stopped(), limited():
            code = main(list(arguments))
    except Begun:
        pass
    except (Exception, SystemExit, Hang) as error:
        places = "".join(
            f"\n    {frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-3:]
        )
        violation = f"{type(error).__name__}: {error}"[:400] + places
    return Command(code, printed.getvalue(), told.getvalue(), violation)


@contextmanager
def _stopped() -> Iterator[None]:
    """Let a training end with its first step, and a test with its first data set, both by ``Begun``."""
    with (
        mock.patch.object(basicsr.train, "build_model", _ending(basicsr.train.build_model, "optimize_parameters")),
        mock.patch.object(basicsr.test, "build_model", _ending(basicsr.test.build_model, "validation")),
        mock.patch.object(basicsr.train, "init_tb_loggers", return_value=None),  # it would keep a thread for each run
    ):
        yield


def _ending(build_model: Callable[[dict[str, Any]], Any], last: str) -> Callable[[dict[str, Any]], Any]:
    def build(opt: dict[str, Any]) -> Any:
        model = build_model(opt)
        done = getattr(model, last)

        def end(*arguments: Any, **named: Any) -> None:
            done(*arguments, **named)
            raise Begun

        setattr(model, last, end)
        return model

    return build


def take_back(root: Path, pristine: Path) -> None:
    """Remove what a run made, and put back what BasicSR moved aside for it."""
    for name in ("results", "tb_logger", "experiments"):
        shutil.rmtree(root / name, ignore_errors=True)
    shutil.copytree(pristine, root / "experiments")

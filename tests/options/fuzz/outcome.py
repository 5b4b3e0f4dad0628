"""What loading an option file came to, and whether that is one of the two things it may come to."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from usrda_plugin.compat.options import OrderedLoader
from usrda_plugin.options import OptionsError, dump_options, load_options

HANG = 60.0  # seconds
# what a fault of the whole file says instead of a key
OF_THE_FILE = re.compile(r"line \d+|cannot read|expected an option file|the bases go in a circle|cannot read '")


class Hang(BaseException):
    """A file on which loading does not end."""


class Outcome(NamedTuple):
    """``options`` of a file that was accepted; else the message of its refusal. ``violation``: why neither will do."""

    options: dict[str, Any] | None
    message: str
    violation: str


@contextmanager
def limited() -> Iterator[None]:
    """Raise Hang after ``HANG`` seconds."""

    def stop(*_: object) -> None:
        raise Hang(f"no end after {HANG:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, HANG)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def outcome_of(file: Path, *, is_train: bool, overrides: Sequence[str] = (), scratch: Path) -> Outcome:
    """Load an option file. ``scratch`` is a file outside the workplace."""
    try:
        with limited():
            options = load_options(file, is_train=is_train, overrides=overrides)
    except OptionsError as error:
        return Outcome(None, str(error), _flaw_of_refusal(error))
    except (Exception, Hang) as error:
        return Outcome(None, "", f"{type(error).__name__}: {error}"[:300])
    return Outcome(options, "", _flaw_of_options(options, scratch))


def _flaw_of_refusal(error: OptionsError) -> str:
    """What a refusal lacks: a fault, its file, its key or line, its remedy."""
    if not error.errors:
        return "a refusal without a fault"
    for fault in error.errors:
        if not (fault.message and fault.remedy and fault.file):
            return f"a fault that does not say all: {fault!r}"
        if not fault.keys and not OF_THE_FILE.search(fault.message):
            return f"a fault that names neither key nor line: {fault!r}"
        if fault.file not in str(error) or fault.key.split(".")[-1] not in str(error):
            return f"a message that does not name file and key: {error}"
    return ""


def _flaw_of_options(options: dict[str, Any], scratch: Path) -> str:
    """How what BasicSR would read differs from the options that were accepted."""
    try:
        dump_options(options, scratch)
        read = yaml.load(scratch.read_text(encoding="utf-8"), Loader=OrderedLoader)
    except Exception as error:
        return f"accepted, but cannot be written for BasicSR: {type(error).__name__}: {error}"[:300]
    return "" if repr(_plain(read)) == repr(_plain(options)) else "accepted, but BasicSR would read other options"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value

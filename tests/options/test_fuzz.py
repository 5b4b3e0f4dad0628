"""Spoilt option files: each is refused with its key, or is right for a run; nothing is written, nothing hangs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from tests.options.fuzz import outcome
from tests.options.fuzz.files import FUZZED, Spoilt, spoilt
from tests.options.fuzz.fuzz import Report, fuzz, quiet, try_file
from tests.options.fuzz.workplace import Workplace, inside
from usrda_plugin.options import OptionError, OptionsError

# a run may warn of what it was asked for: a learning rate, a metric that is not defined for small images
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def workplace(tmp_path: Path) -> Iterator[Workplace]:
    """Every shipped option file, small, in a folder that has what they name; the current directory."""
    with quiet(tmp_path):
        workplace = Workplace(tmp_path / "workplace")
        with inside(workplace.root):
            yield workplace


def check(report: Report, files: int, capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{report}")
    assert report.violations == []
    assert report.accepted + report.refused == files
    assert min(report.accepted, report.refused) > files / 10, "one sort of file alone shows little"
    assert min(report.begun, report.exits) > 2


def test_spoilt_files_are_refused_with_their_key_or_begin(capsys: pytest.CaptureFixture[str]) -> None:
    check(fuzz(60, seed=0, commands=12), 60, capsys)


@pytest.mark.slow
def test_thousands_of_spoilt_files_are_refused_with_their_key_or_begin(capsys: pytest.CaptureFixture[str]) -> None:
    check(fuzz(2000, seed=0, commands=120), 2000, capsys)


def test_what_is_spoilt_was_right_before_and_begins(workplace: Workplace) -> None:
    report = Report(spread=5)  # each loaded, and every fifth begun
    for start in workplace.starts():
        one = Spoilt(start.name, {FUZZED: start.text.encode()}, FUZZED, start.is_train)
        try_file(report, workplace, one, "as it stands")
    assert report.violations == []
    assert report.accepted == len(workplace.starts())
    assert report.begun == ceil(report.accepted / 5)


def test_a_file_has_its_number(workplace: Workplace) -> None:
    some = [spoilt(workplace, 0, number) for number in range(40)]
    assert [spoilt(workplace, 0, number) for number in range(40)] == some
    assert [spoilt(workplace, 1, number) for number in range(40)] != some


def unforeseen(*_: Any, **__: Any) -> None:
    raise KeyError("type")


def without_place(file: Path, **_: Any) -> None:
    raise OptionsError(str(file), [OptionError((), str(file), "something is wrong", "mend it")])


def of_another_key(file: Path, **_: Any) -> None:
    raise OptionsError(str(file), [OptionError(("logger",), str(file), "something is wrong", "mend it")])


def writing(*_: Any, **__: Any) -> None:
    Path("experiments/half").mkdir()
    raise OptionsError("f", [OptionError(("name",), "f", "wrong", "mend it")])


def without_end(*_: Any, **__: Any) -> None:
    time.sleep(60)


def unwritable(*_: Any, **__: Any) -> dict[str, Any]:
    return {"name": object()}


FAILINGS: dict[str, tuple[Callable[..., Any], str]] = {
    "an exception": (unforeseen, "KeyError: 'type'"),
    "a fault without a place": (without_place, "neither key nor line"),
    "a fault of another key": (of_another_key, "names none of ['name']"),
    "a folder half-made": (writing, "written on disk"),
    "no end": (without_end, "no end after 0.05 s"),
    "options that no file can hold": (unwritable, "cannot be written for BasicSR"),
}


@pytest.mark.parametrize("failing", FAILINGS)
def test_the_fuzz_tells_each_failing(failing: str, workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    load_options, told = FAILINGS[failing]
    monkeypatch.setattr(outcome, "load_options", load_options)
    monkeypatch.setattr(outcome, "HANG", 0.05 if failing == "no end" else 30)
    report = Report()
    one = Spoilt("spoilt", {FUZZED: b"name: x\n"}, FUZZED, True, words=frozenset({"name"}))
    try_file(report, workplace, one, "file")
    assert any(told in violation for violation in report.violations), report.violations
    assert not (workplace.options / FUZZED).exists()

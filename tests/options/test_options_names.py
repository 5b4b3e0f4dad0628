"""Names that become names of files: none leads out of a run's folders, none is one that a disk cannot have."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from usrda_plugin.options import OptionError
from usrda_plugin.options.required_keys import check_names
from usrda_plugin.options.validation import Source, Validation

Options = dict[str, Any]
Faults = Callable[..., list[OptionError]]

EVIL = {
    "up and elsewhere": "../../evil",
    "an absolute path": "/tmp/evil",
    "a folder below": "Set5/x2",
    "a path of Windows": r"..\evil",
    "a NUL": "a\0b",
    "two lines": "a\nb",
    "an escape code": "\x1b[2J",
    "half a surrogate": "a\ud800",
    "100 letters of two bytes": "ä" * 100,
    "too many letters": "x" * 101,
}
NOTHING = {"an empty one": "", "blanks": "  ", "the folder itself": ".", "the folder above": ".."}
FINE = ["Set5", "train set", "ünïcode 名前", "-rf", ".hidden", "a.b", "...", "x" * 100, "con", "what?"]


def faults_of(names: dict[tuple[str, ...], str], *, is_train: bool = True) -> list[tuple[str, ...]]:
    """The keys that are refused in options that have nothing but these names."""
    opt: Options = {"name": "run", "val": {}, "datasets": {"train": {}, "val": {}, "val_2": {}, "test_1": {}}}
    for keys, name in names.items():
        block = opt
        for key in keys[:-1]:
            block = block[key]
        block[keys[-1]] = name
    validation = Validation(opt, is_train, (Source("options.yml", opt),))
    check_names(validation)
    return [fault.keys for fault in validation.errors]


FOLDERS = [("name",), ("datasets", "val", "name"), ("datasets", "val_2", "name"), ("datasets", "test_1", "name")]
ENDS = [("val", "suffix")]


@pytest.mark.parametrize("kind", {**EVIL, **NOTHING})
@pytest.mark.parametrize("keys", FOLDERS, ids=".".join)
def test_a_folders_name_that_leads_elsewhere_or_cannot_be_is_refused(kind: str, keys: tuple[str, ...]) -> None:
    assert faults_of({keys: {**EVIL, **NOTHING}[kind]}) == [keys]


@pytest.mark.parametrize("kind", EVIL)
def test_a_suffix_that_leads_elsewhere_or_cannot_be_is_refused(kind: str) -> None:
    assert faults_of({ENDS[0]: EVIL[kind]}) == ENDS


@pytest.mark.parametrize("name", FINE)
def test_odd_namesthat_a_disk_has_are_taken(name: str) -> None:
    assert faults_of(dict.fromkeys([*FOLDERS, *ENDS], name)) == []
    assert faults_of(dict.fromkeys(ENDS, "")) == []


def test_no_file_is_called_by_the_training_set() -> None:
    assert faults_of({("datasets", "train", "name"): "DIV2K/x2"}) == []


@pytest.mark.parametrize("name", ["con", "NUL.txt", "com1", "a:b", "what?", "end."])
def test_namesthat_windows_has_not_are_refused_there(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "name", "nt")
    refused = faults_of({("name",): name})
    monkeypatch.undo()
    assert refused == [("name",)]


def test_a_name_of_an_option_file_is_told_with_its_key_and_no_escape_code(testing: Options, faults: Faults) -> None:
    [fault] = faults(testing, "datasets:test_1:name='../../evil'", is_train=False)
    assert fault.key == "datasets.test_1.name"
    assert "a slash would lead into another folder" in fault.message
    [fault] = faults(testing, r'val:suffix="\e[2J"', is_train=False)
    assert "\x1b" not in str(fault)
    assert "control characters" in fault.message

"""Options spoiled at random: whatever a file says, loading gives options or OptionsError, and nothing else."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from usrda_plugin.options import OptionsError, load_options

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**6) | st.floats() | st.text(max_size=6) | st.just("1e-4"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=5,
)


def places(opt: Any, keys: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The keys of all values inside options."""
    if not isinstance(opt, dict):
        return []
    return [place for key, value in opt.items() for place in ((*keys, key), *places(value, (*keys, key)))]


def spoil(opt: dict[str, Any], keys: tuple[str, ...], how: str, value: Any) -> None:
    for key in keys[:-1]:
        opt = opt.get(key) if isinstance(opt.get(key), dict) else {}  # type: ignore[assignment]
    old = opt.pop(keys[-1], None)
    if how == "replace":
        opt[keys[-1]] = value
    elif how == "rename":
        opt[keys[-1][1:]] = old
    elif how == "add":
        opt |= {keys[-1]: old, str(value): value}


@pytest.mark.parametrize("kind", ["paired", pytest.param("unpaired", marks=pytest.mark.slow), "testing"])
@settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_spoiled_options_raise_nothing_but_options_error(
    kind: str, data: st.DataObject, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    opt = deepcopy(request.getfixturevalue(kind))
    for _ in range(data.draw(st.integers(1, 3))):
        keys = data.draw(st.sampled_from(places(opt)))
        spoil(opt, keys, data.draw(st.sampled_from(["replace", "remove", "rename", "add"])), data.draw(VALUES))
    file = tmp_path / "options.yml"
    file.write_text(yaml.safe_dump(opt, allow_unicode=True), encoding="utf-8")
    loaded, error = outcome(file, is_train=kind != "testing")
    if error is None:
        assert yaml.safe_load(yaml.safe_dump(loaded)) == loaded
    else:
        assert error.errors
        assert all(fault.message and fault.remedy and fault.file for fault in error.errors)


def outcome(file: Path, *, is_train: bool) -> tuple[dict[str, Any] | None, OptionsError | None]:
    """The options, or the error that they are."""
    try:
        return load_options(file, is_train=is_train), None
    except OptionsError as error:
        return None, error

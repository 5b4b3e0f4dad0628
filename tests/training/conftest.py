"""A folder with photographs, which is the current one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training import tiny


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    tiny.images(tmp_path)
    return tmp_path

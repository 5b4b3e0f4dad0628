"""The schema for editors: current, complete, and of one opinion with the checks."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from usrda_plugin.options import __main__ as exporter
from usrda_plugin.options.__main__ import json_schema

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "options" / "schema.json"


def objects(schema: Any) -> Any:
    """All schemas of blocks inside a schema."""
    if isinstance(schema, list):
        for item in schema:
            yield from objects(item)
    elif isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            yield schema
        for value in schema.values():
            yield from objects(value)


def test_the_shipped_schema_is_current() -> None:
    assert json.loads(SHIPPED.read_text(encoding="utf-8")) == json_schema(), "run `make schema`"


def test_the_command_writes_the_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["options", str(tmp_path / "schema.json")])
    exporter.main()
    assert json.loads((tmp_path / "schema.json").read_text()) == json_schema()


@pytest.mark.slow
def test_the_package_can_be_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "usrda_plugin.options", str(tmp_path / "schema.json")]
    subprocess.run(command, check=True, cwd=ROOT)
    assert json.loads((tmp_path / "schema.json").read_text()) == json_schema()


def test_every_key_is_described_and_none_is_required() -> None:
    for block in objects(json_schema()):
        assert "required" not in block
        for name, value in {**block["properties"], **block.get("patternProperties", {})}.items():
            assert value.get("description"), name


def test_the_schema_knows_bases_deletion_and_families() -> None:
    schema = json_schema()
    assert "_base_" in schema["properties"]
    assert "^network_\\w+$" in schema["patternProperties"]
    assert schema["additionalProperties"] is False
    assert "_delete_" in schema["$defs"]["Train"]["properties"]
    assert "^(val|test)(_\\w+)?$" in schema["$defs"]["Datasets"]["patternProperties"]


def test_limits_are_written_as_json_schema_has_them() -> None:
    train = json_schema()["$defs"]["Train"]["properties"]
    assert train["total_iter"] | {"description": ""} == {"type": ["integer", "null"], "minimum": 1, "description": ""}
    assert train["ema_decay"]["exclusiveMaximum"] == 1

"""The schema for editors: current, complete, and of one opinion with the checks."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from usrda_plugin.options import __main__ as exporter
from usrda_plugin.options.__main__ import json_schema
from usrda_plugin.options.reference import markdown
from usrda_plugin.options.schema_data import DATASETS

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "options" / "schema.json"
REFERENCE = ROOT / "docs" / "option_reference.md"


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


def test_the_option_reference_is_current() -> None:
    assert REFERENCE.read_text(encoding="utf-8") == markdown(json_schema()), "run `make schema`"


def test_the_option_reference_has_every_key_of_every_block_and_no_dead_link() -> None:
    text, schema = markdown(json_schema()), json_schema()
    sections = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(sections) == {"The file", *schema["$defs"]}
    for name, block in {"The file": schema, **schema["$defs"]}.items():
        shared = set(schema["$defs"]["OtherDataset"]["properties"]) - {"type"} if name in DATASETS else set()
        for key in set(block["properties"]) - {"_delete_"} - shared:
            (row,) = re.findall(rf"^\| `{key}` \| (.+) \| (.+) \|$", sections[name], re.MULTILINE)
            assert all(cell.strip() for cell in row), key
    assert set(re.findall(r"\]\(#(.+?)\)", text)) <= {name.lower() for name in sections}


@pytest.mark.parametrize(
    "row",
    [
        "| `scale` | whole number ≥ 1 | HR size over LR size |",
        "| `ema_decay` | number ≥ 0 < 1 | Decay of the averaged network,",
        "| `amp` | `auto`, `bf16`, `fp16`, `false` | USRDAModel: autocast",
        "| `blur_sigma` | 2 of number | Range of the first blur's sigma in pixels |",
        "| `optim_g` | block: [Optimizer](#optimizer) | Optimizer of the generator |",
        "| `num_gpu` | whole number ≥ 0 or `auto` | GPUs to use",
        "| `network_g`, `network_d`, `network_d_f`,",
        "| `gamma` | number > 0 | Factor at each milestone (MultiStep\\*) |",
    ],
)
def test_the_option_reference_says_values_in_words(row: str) -> None:
    assert row in markdown(json_schema())


def test_the_command_writes_the_reference_beside_the_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["options", str(tmp_path / "schema.json"), str(tmp_path / "reference.md")])
    exporter.main()
    assert json.loads((tmp_path / "schema.json").read_text()) == json_schema()
    assert (tmp_path / "reference.md").read_text() == markdown(json_schema())


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

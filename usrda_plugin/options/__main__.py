"""Write what is made of the schema of option files: ``python -m usrda_plugin.options FILE [FILE]``.

A ``.json`` file gets the JSON Schema, by which editors complete keys, explain them and mark mistakes while one types; a
``.md`` file gets the option reference.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pydantic import Field, create_model

from usrda_plugin.options.fields import Block
from usrda_plugin.options.reference import markdown
from usrda_plugin.options.schema import Datasets, OptionFile, Paths
from usrda_plugin.options.schema_data import DATASETS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
BASE = {
    "description": "Option files that this one builds on, relative to it; what stands here wins",
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
}
LIMITS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}
DELETE = {"description": "true: drop this block of the bases instead of merging with it", "type": "boolean"}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of option files. A file with ``_base_`` is a part of one, so no key is required."""
    blocks = {"datasets": _with_patterns(Datasets), "path": _with_patterns(Paths)}
    fields: dict[str, Any] = {name: (model | None, OptionFile.model_fields[name]) for name, model in blocks.items()}
    model = create_model("OptionFile", __base__=_with_patterns(OptionFile), **fields)
    schema = _tidy(model.model_json_schema())
    schema["properties"] = {"_base_": BASE, **schema["properties"]}
    _name_datasets(schema["$defs"])
    return {"$schema": DIALECT, **schema}


def _with_patterns(model: type[Block]) -> type[Block]:
    """The block with each family of keys as one field that is called by its pattern."""
    fields: dict[str, Any] = {
        f"family_{number}": (family.kind | None, Field(None, alias=family.pattern, description=family.description))
        for number, family in enumerate(model.families)
    }
    return create_model(model.__name__, __base__=model, __doc__=model.__doc__, **fields)


def _tidy(schema: Any) -> Any:
    """Drop pydantic's titles and defaults, and put into JSON Schema's own words what pydantic says in others."""
    if isinstance(schema, list):
        return [_tidy(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    tidy: dict[str, Any] = {}
    for key, value in schema.items():
        if not _is_noise(key, value):
            tidy[LIMITS.get(key) or key] = _tidy(value)
    if isinstance(tidy.get("anyOf"), list):
        tidy = _nullable(tidy)
    if isinstance(tidy.get("properties"), dict) and tidy.get("type") == "object":
        patterns = {name: tidy["properties"].pop(name) for name in list(tidy["properties"]) if name.startswith("^")}
        tidy["properties"]["_delete_"] = DELETE
        tidy |= {"patternProperties": patterns} if patterns else {}
    return tidy


def _is_noise(key: str, value: Any) -> bool:
    return key in ("title", "default") and not isinstance(value, dict)


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """``{anyOf: [{type: T, ...}, null]}`` as ``{type: [T, null], ...}``, which editors show better."""
    kinds = [kind for kind in schema["anyOf"] if kind != {"type": "null"}]
    if len(kinds) != 1 or len(kinds) == len(schema["anyOf"]) or not isinstance(kinds[0].get("type"), str):
        return schema
    merged = {**kinds[0], **{key: value for key, value in schema.items() if key != "anyOf"}}
    merged["type"] = [merged["type"], "null"]
    return merged | ({"enum": [*merged["enum"], None]} if "enum" in merged else {})


def _name_datasets(definitions: dict[str, Any]) -> None:
    """Bind each data set's keys to its ``type``, so that an editor knows which keys go with which class."""
    for kind, definition in definitions.items():
        names = [name for name, model in DATASETS.items() if model.__name__ == kind]
        if names:
            definition["properties"]["type"] |= {"enum": [*names, None]}
        if kind == "OtherDataset":
            definition["properties"]["type"] |= {"not": {"enum": list(DATASETS)}}


def main() -> None:
    """Write the schema, or the reference, to each file named on the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m usrda_plugin.options", description="Export the schema of option files."
    )
    parser.add_argument(
        "files", nargs="+", type=Path, help="JSON or Markdown files, e.g. options/schema.json docs/option_reference.md"
    )
    for file in parser.parse_args().files:
        schema = json_schema()
        text = markdown(schema) if file.suffix == ".md" else json.dumps(schema, indent=1) + "\n"
        file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

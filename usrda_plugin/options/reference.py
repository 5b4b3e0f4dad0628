"""The option reference as Markdown, made of the schema: a table of keys for each block, in the order of the file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from usrda_plugin.options.schema import Datasets, OptionFile, Paths
from usrda_plugin.options.schema_data import DATASETS, OtherDataset

Schema = Mapping[str, Any]

INTRODUCTION = """# Option reference

Every key of an option file, with the value that it takes and what it does. How files build on each other, and which one
to start from, is in [options.md](options.md). This page is made of the schema by `make schema`; do not edit it.

Each key may be left out or be null, which is the same, unless a run needs it: then the check says so before anything is
created. In every block `_delete_: true` drops the block of the base instead of merging with it. Blocks with a `type`
take the arguments of that registered class beside the keys listed here, and are checked against its signature.
"""
FAMILIES = {family.pattern: family for block in (OptionFile, Datasets, Paths) for family in block.families}
OUTER = "The file"
COMMON = OtherDataset.__name__
WORDS = {"integer": "whole number", "number": "number", "boolean": "true, false", "string": "text", "null": ""}
BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def markdown(schema: Schema) -> str:
    """The page that describes a JSON Schema of option files, as ``json_schema()`` makes it."""
    blocks = {OUTER: schema, **schema["$defs"]}
    sections = (_section(name, blocks) for name in _in_order(blocks))
    return "\n".join((INTRODUCTION, *sections))


def _in_order(blocks: Mapping[str, Schema]) -> list[str]:
    """The blocks from the top down, each after the one that has it; what all data sets share before each of them."""
    order, waiting = [], [OUTER]
    while waiting:
        name = waiting.pop(0)
        if name not in order:
            order.append(name)
            inner = [each for key in _keys(blocks[name]).values() for each in _references(key)]
            waiting = sorted(inner, key=lambda each: each != COMMON) + waiting
    return order


def _keys(block: Schema) -> dict[str, Schema]:
    return {**block.get("properties", {}), **block.get("patternProperties", {})}


def _references(value: Any) -> Iterator[str]:
    """The blocks that a value may be."""
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, Mapping):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"].rsplit("/", 1)[-1]
        for inner in value.values():
            yield from _references(inner)


def _section(name: str, blocks: Mapping[str, Schema]) -> str:
    is_dataset = name in DATASETS
    told = {"_delete_"} | (set(_keys(blocks[COMMON])) - {"type"} if is_dataset else set())
    rows = [
        f"| {_names(key)} | {_values(value)} | {_cell(value['description'])} |\n"
        for key, value in _keys(blocks[name]).items()
        if key not in told
    ]
    about = {OUTER: "The keys at the top level.", COMMON: "Keys of every data set."}.get(name)
    about = (
        about or blocks[name]["description"] + f" Beside the [keys of every data set](#{COMMON.lower()}):" * is_dataset
    )
    return f"## {name}\n\n{_cell(about)}\n\n| key | value | meaning |\n| --- | --- | --- |\n" + "".join(rows)


def _names(key: str) -> str:
    family = FAMILIES.get(key)
    return ", ".join(f"`{name}`" for name in family.examples) + ", ..." if family else f"`{key}`"


def _values(value: Schema) -> str:
    """The values that a key takes, in words."""
    blocks = list(dict.fromkeys(_references({key: value[key] for key in value if key != "additionalProperties"})))
    if blocks:
        return "block: " + ", ".join(f"[{name}](#{name.lower()})" for name in blocks)
    if "additionalProperties" in value and value["additionalProperties"] not in (True, False):
        inner = ", ".join(f"[{name}](#{name.lower()})" for name in dict.fromkeys(_references(value)))
        return f"names with {'a block each: ' + inner if inner else 'a value each'}"
    if "enum" in value:
        return ", ".join(f"`{_yaml(each)}`" for each in value["enum"] if each is not None)
    if "anyOf" in value:
        kinds = [_values(each) for each in value["anyOf"] if each != {"type": "null"}]
        return " or ".join(kind for kind in dict.fromkeys(kinds) if kind)
    if "const" in value:
        return f"`{_yaml(value['const'])}`"
    return _simple(value)


def _simple(value: Schema) -> str:
    kinds = value.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    bounds = [f"{sign} {value[bound]:.10g}" for bound, sign in BOUNDS.items() if bound in value]
    length = f"{value['minItems']} of" if "minItems" in value else "list of"
    words = [f"{length} {_values(value['items'])}" if kind == "array" else WORDS[kind] for kind in kinds]
    return " ".join([" or ".join(word for word in words if word), *bounds])


def _yaml(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _cell(text: str) -> str:
    """A text in a cell of a table: no line breaks, and nothing that Markdown would take for its own."""
    return re.sub(r"([|*<])", r"\\\1", " ".join(text.split()).replace("``", "`"))

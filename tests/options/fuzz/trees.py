"""Options drawn from options/schema.json: what the schema allows, and at times what it does not."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from hypothesis import strategies as st

from tests.options.fuzz.values import NAMES, NUMBERS, OTHERS, WORDS
from tests.options.fuzz.workplace import SHIPPED

Options = dict[str, Any]
Schema = dict[str, Any]

SCHEMA: Schema = json.loads((SHIPPED / "schema.json").read_text(encoding="utf-8"))
FAMILIES = {
    "^network": ("network_g", "network_d", "network_d_f", "network_d_t", "network_d_y", "network_d_h", "network_x"),
    "^(val|test)": ("val", "val_1", "test", "test_1"),
    "^pretrain": ("pretrain_network_g", "pretrain_network_d", "pretrain_network_d_t", "pretrain_network_g_encoder"),
    "^param": ("param_key_g", "param_key_d"),
    "^strict": ("strict_load_g", "strict_load_d"),
}
TEXTS = st.sampled_from((*NAMES, *WORDS))
JUNK = TEXTS | st.sampled_from(NUMBERS) | st.sampled_from(OTHERS)


@st.composite
def options_over(draw: st.DrawFn, start: Options) -> Options:
    """Options of a file that is right, of which some blocks are replaced or joined by drawn ones."""
    drawn = draw(_strategy("", depth=0))
    drawn.pop("_base_", None)
    return _laid_over(draw, start, drawn)


def _laid_over(draw: st.DrawFn, below: Options, above: Options) -> Options:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(below.get(key), dict)
        if both and draw(st.integers(0, 7)):
            merged[key] = _laid_over(draw, below[key], value)
        elif key not in below or not draw(st.integers(0, 3)):
            merged[key] = value
    return merged


@cache
def _strategy(place: str, depth: int) -> st.SearchStrategy[Any]:
    """What the schema allows at ``place``, a definition's name ("": the whole file)."""
    return _of(SCHEMA["$defs"][place] if place else SCHEMA, depth)


def _of(schema: Schema, depth: int) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        return _strategy(schema["$ref"].rpartition("/")[2], depth)
    if "anyOf" in schema:
        return st.one_of([_of(part, depth) for part in schema["anyOf"]])
    if "enum" in schema or "const" in schema:
        return st.sampled_from(schema.get("enum") or [schema["const"]])
    kinds = schema.get("type", [])
    return st.one_of([_of_kind(kind, schema, depth) for kind in (kinds if isinstance(kinds, list) else [kinds])])


def _of_kind(kind: str, schema: Schema, depth: int) -> st.SearchStrategy[Any]:
    if kind == "object":
        return _block(schema, depth + 1)
    if kind == "array":
        most = schema.get("maxItems", 3)
        return st.lists(
            _of(schema.get("items", {"type": "number"}), depth), min_size=schema.get("minItems", 0), max_size=most
        )
    if kind in ("integer", "number"):
        return _numbers(kind, schema)
    return {"string": TEXTS, "boolean": st.booleans(), "null": st.none()}[kind]


def _numbers(kind: str, schema: Schema) -> st.SearchStrategy[Any]:
    least, most = schema.get("minimum", schema.get("exclusiveMinimum", -3)), schema.get("maximum", 10**6)
    if kind == "integer":
        usual = st.integers(least, min(most, least + 8))
        return usual | st.integers(least, most)
    return st.floats(least, most, allow_nan=False) | st.integers(int(least), int(min(most, 5)))


def _block(schema: Schema, depth: int) -> st.SearchStrategy[Options]:
    known: dict[str, Schema] = {key: kind for key, kind in schema.get("properties", {}).items() if key != "_delete_"}
    for pattern, kind in schema.get("patternProperties", {}).items():
        names = next(names for start, names in FAMILIES.items() if pattern.startswith(start))
        known |= dict.fromkeys(names, kind)
    other = schema.get("additionalProperties")
    if isinstance(other, dict):
        known |= dict.fromkeys(("psnr", "niqe", "conv5_4", "x"), other)
    return _chosen(known, depth)


@st.composite
def _chosen(draw: st.DrawFn, known: dict[str, Schema], depth: int) -> Options:
    """A few of the known keys with values that the schema allows; one in many has another value, or another name."""
    names = draw(st.lists(st.sampled_from(sorted(known)), max_size=3 if depth > 1 else 4, unique=True)) if known else []
    block = {name: draw(_of(known[name], depth)) for name in names}
    if not draw(st.integers(0, 30)):
        block[draw(TEXTS) if not names or draw(st.booleans()) else names[0]] = draw(JUNK)
    return block

"""The schema of one option file, with the keys that it uses, and the way to a block or a key in it."""

from __future__ import annotations

import re
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import create_model

from usrda_plugin.options.faults import Keys
from usrda_plugin.options.fields import Block
from usrda_plugin.options.schema import Datasets, OptionFile, Paths
from usrda_plugin.options.schema_data import Dataset, dataset_model


def schema_for(opt: Any) -> type[Block]:
    """``OptionFile`` with the family keys that this file uses, each data set with the keys of its own class."""
    content = _mapping(opt)
    datasets = _mapping(content.get("datasets"))
    kinds = {phase: dataset_model(block.get("type")) for phase, block in datasets.items() if isinstance(block, dict)}
    blocks: dict[str, Any] = {
        "datasets": _with_members(Datasets, datasets, kinds),
        "path": _with_members(Paths, _mapping(content.get("path")), {}),
    }
    top = _with_members(OptionFile, content, {})
    fields: dict[str, Any] = {name: (block | None, None) for name, block in blocks.items()}
    return create_model("OptionFile", __base__=top, **fields)


def _with_members(model: type[Block], content: dict[str, Any], kinds: dict[str, type[Dataset]]) -> type[Block]:
    members = {name: family.kind for name in content for family in model.families if re.match(family.pattern, name)}
    own = {name: kind for name, kind in kinds.items() if name in {*model.model_fields, *members}}
    fields: dict[str, Any] = {name: (kind | None, None) for name, kind in {**members, **own}.items()}
    return create_model(model.__name__, __base__=model, **fields)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def block_at(model: type[Block], keys: Keys) -> type[Block] | None:
    """The block that the schema ``model`` has at ``keys``; None where it has none."""
    kind: Any = model
    for name in keys:
        kind = _below(kind, name)
    return kind if _is_block(kind) else None


def field_at(model: type[Block], keys: Keys) -> str:
    """The description of the key at ``keys``; "" where there is none."""
    block = block_at(model, keys[:-1]) if keys else None
    field = block.model_fields.get(keys[-1]) if block else None
    return (field.description if field else None) or ""


def usual_keys(model: type[Block]) -> list[str]:
    """The keys that a block may have, with the usual ones of its families."""
    return [*model.model_fields, *(name for family in model.families for name in family.examples)]


def _below(kind: Any, name: str) -> Any:
    if get_origin(kind) is dict:
        annotation = get_args(kind)[1]
    elif _is_block(kind) and name in kind.model_fields:
        annotation = kind.model_fields[name].annotation
    else:
        return None
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return next((part for part in parts if _is_block(part) or get_origin(part) is dict), None)


def _is_block(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Block)

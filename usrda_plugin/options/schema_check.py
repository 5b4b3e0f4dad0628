"""Keys and kinds of values, checked by the schema; numbers written as text become numbers."""

from __future__ import annotations

import re
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import ConfigDict, ValidationError, create_model
from pydantic_core import ErrorDetails

from usrda_plugin.options.components import MODELS, find, is_foreign
from usrda_plugin.options.fields import Block
from usrda_plugin.options.schema import Datasets, OptionFile, Paths, Train, ValidationBlock
from usrda_plugin.options.schema_data import DATASETS, Dataset, dataset_model
from usrda_plugin.options.validation import Keys, Options, Validation, looks_like, nearest

REMEDIES = {
    "number": "write a number, such as 0.5 or 1e-4",
    "whole": "write a whole number",
    "flag": "write true or false, without quotes",
    "text": "write text, in quotes where YAML would read it as something else",
    "list_type": "write a list, such as [1, 2]",
    "dict_type": "write a block of `key: value` lines",
    "model_type": "write a block of `key: value` lines",
}
# the models whose keys the schema has
OF_SR = ("SRModel", "SwinIRModel", "SRGANModel", "ESRGANModel", "RealESRNetModel", "RealESRGANModel", "USRDAModel")


def check_schema(validation: Validation) -> None:
    """Check keys and kinds of values, and leave in ``validation.opt`` what is right, with numbers as numbers.

    What is wrong is reported and taken out, so that later checks can look at the rest. Models and data sets of somebody
    else, or of BasicSR for other tasks, know what their keys are for; but one that looks like a misspelling is told.
    """
    name = validation.opt.get("model_type")
    is_open = find(MODELS, name) is not None and (name not in OF_SR or is_foreign(MODELS, name))
    model = schema_for(validation.opt, is_open=is_open)
    checked = _validated(validation, model)
    validation.opt = _as_written(validation.opt, checked.model_dump(exclude_unset=True))
    for keys in ((), ("train",), ("val",)) if is_open else ():
        if block := block_at(model, keys):
            _report_slips(validation, keys, usual_keys(block))
    known = sorted({name for model in DATASETS.values() for name in model.model_fields})
    for phase, _ in validation.datasets():
        _report_slips(validation, ("datasets", phase), known)


def _validated(validation: Validation, model: type[Block]) -> Block:
    raw = validation.opt
    while True:
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            # places are looked up before anything is taken out: each kind of data set complains of the same one
            found = [(_place(raw, detail["loc"]), detail) for detail in error.errors(include_url=False)]
            for place, detail in found:
                message, remedy = _explain(model, place, detail)
                validation.error(place, message, remedy)
                raw = _without(raw, place)


def _place(raw: Any, loc: tuple[int | str, ...]) -> Keys:
    """The keys of the option file on the way to ``loc``, which goes on into lists and the schema's own inside."""
    keys: list[str] = []
    for step in loc:
        if not isinstance(raw, dict) or step not in raw:
            break
        keys.append(str(step))
        raw = raw[step]
    return tuple(keys)


def _explain(model: type[Block], place: Keys, detail: ErrorDetails) -> tuple[str, str]:
    kind, found = detail["type"], detail["input"]
    if kind == "extra_forbidden":
        block = block_at(model, place[:-1])
        known = usual_keys(block) if block else []
        return _unknown_key(place[-1], known)
    message = detail["msg"].replace("Input should be", "expected")
    if kind in ("model_type", "dict_type"):
        message = f"expected a block, found {'a list' if isinstance(found, list) else repr(found)}"
    if "found" not in message:
        message = f"{message}, found {found!r}"
    if kind == "literal_error":
        choices = detail["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        return message, nearest(str(found), choices) or "choose one of them"
    if "remedy" in detail.get("ctx", {}):
        return message, detail["ctx"]["remedy"]
    described = field_at(model, place)
    remedy = REMEDIES.get(kind, "correct the value")
    return message, f"{remedy} ({place[-1]}: {described})" if described else remedy


def _unknown_key(name: str, known: list[str]) -> tuple[str, str]:
    """Message and remedy for a key that nobody reads."""
    suggestion = nearest(name, known)
    return f"unknown key {name!r}", suggestion or f"remove it; known here: {', '.join(sorted(known))}"


def _report_slips(validation: Validation, keys: Keys, known: list[str]) -> None:
    block = validation.block(*keys)
    for name in [name for name in block if name not in known and looks_like(name, known)]:
        validation.error((*keys, name), *_unknown_key(name, known))
        del block[name]


def _without(raw: Options, place: Keys) -> Options:
    if not place:
        return raw
    head, *rest = place
    if not rest or not isinstance(raw.get(head), dict):
        return {key: value for key, value in raw.items() if key != head}
    return {key: _without(value, tuple(rest)) if key == head else value for key, value in raw.items()}


def _as_written(raw: Options, checked: Options) -> Options:
    """The checked values in the order of the file."""
    ordered: Options = {}
    for key, value in raw.items():
        if key in checked:
            both = isinstance(value, dict) and isinstance(checked[key], dict)
            ordered[key] = _as_written(value, checked[key]) if both else checked[key]
    return ordered


def schema_for(opt: Any, *, is_open: bool = False) -> type[Block]:
    """``OptionFile`` with the family keys that this file uses, each data set with the keys of its own class.

    ``is_open``: the top level, ``train`` and ``val`` may have further keys.
    """
    content = _mapping(opt)
    datasets = _mapping(content.get("datasets"))
    kinds = {phase: dataset_model(block.get("type")) for phase, block in datasets.items() if isinstance(block, dict)}
    blocks: dict[str, Any] = {
        "datasets": _with_members(Datasets, datasets, kinds),
        "path": _with_members(Paths, _mapping(content.get("path")), {}),
    }
    top = _with_members(OptionFile, content, {})
    if is_open:
        top, blocks["train"], blocks["val"] = (_opened(block) for block in (top, Train, ValidationBlock))
    fields: dict[str, Any] = {name: (block | None, None) for name, block in blocks.items()}
    return create_model("OptionFile", __base__=top, **fields)


def _opened(model: type[Block]) -> type[Block]:
    return type(model.__name__, (model,), {"model_config": ConfigDict(extra="allow"), "__module__": __name__})


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

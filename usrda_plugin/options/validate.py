"""Keys and kinds of values, checked by the schema; numbers written as text become numbers."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from usrda_plugin.options.faults import Keys, looks_like, nearest
from usrda_plugin.options.fields import Block
from usrda_plugin.options.registered import MODELS, is_foreign
from usrda_plugin.options.schema_data import DATASETS
from usrda_plugin.options.schema_tree import block_at, field_at, schema_for, usual_keys
from usrda_plugin.options.validation import Options, Review

REMEDIES = {
    "number": "write a number, such as 0.5 or 1e-4",
    "whole": "write a whole number",
    "flag": "write true or false, without quotes",
    "text": "write text, in quotes where YAML would read it as something else",
    "list_type": "write a list, such as [1, 2]",
    "dict_type": "write a block of `key: value` lines",
    "model_type": "write a block of `key: value` lines",
}


def check_schema(review: Review) -> None:
    """Check keys and kinds of values, and leave in ``review.opt`` what is right, with numbers as numbers.

    What is wrong is reported and taken out, so that later checks can look at the rest.
    """
    tolerated = _foreign_keys(review)
    raw = {key: value for key, value in review.opt.items() if (key,) not in tolerated}
    if isinstance(raw.get("train"), dict):
        raw["train"] = {key: value for key, value in raw["train"].items() if ("train", key) not in tolerated}
    model = schema_for(raw)
    checked = _validated(review, model, raw)
    review.opt = _as_written(review.opt, checked.model_dump(exclude_unset=True), tolerated)
    _look_for_slips(review)


def _validated(review: Review, model: type[Block], raw: Options) -> Block:
    while True:
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            # places are looked up before anything is taken out: each kind of data set complains of the same one
            found = [(_place(raw, detail["loc"]), detail) for detail in error.errors(include_url=False)]
            for place, detail in found:
                message, remedy = _explain(model, place, detail)
                review.fault(place, message, remedy)
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
        return unknown_key(place[-1], known)
    message = detail["msg"].replace("Input should be", "expected")
    if kind in ("model_type", "dict_type"):
        message = f"expected a block, found {'a list' if isinstance(found, list) else repr(found)}"
    if "found" not in message:
        message = f"{message}, found {found!r}"
    if kind == "literal_error":
        choices = detail["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        return message, nearest(str(found), choices) or "choose one of them"
    described = field_at(model, place)
    remedy = REMEDIES.get(kind, "correct the value")
    return message, f"{remedy} ({place[-1]}: {described})" if described else remedy


def unknown_key(name: str, known: list[str]) -> tuple[str, str]:
    """Message and remedy for a key that nobody reads."""
    suggestion = nearest(name, known)
    return f"unknown key {name!r}", suggestion or f"remove it; known here: {', '.join(sorted(known))}"


def _foreign_keys(review: Review) -> set[Keys]:
    """Keys of the top level and of ``train`` that belong to a model of somebody else, who knows what they are for.

    A key that looks like a misspelling of a known one is not let through.
    """
    if not is_foreign(MODELS, review.opt.get("model_type")):
        return set()
    model = schema_for(review.opt)
    places: list[tuple[Keys, Any]] = [((), review.opt), (("train",), review.opt.get("train"))]
    return {
        (*place, key)
        for place, content in places
        if isinstance(content, dict) and (block := block_at(model, place))
        for key in content
        if key not in block.model_fields and not looks_like(key, usual_keys(block))
    }


def _look_for_slips(review: Review) -> None:
    """Data sets of others may have any keys, but what looks like a misspelling of a known one is a fault."""
    known = sorted({name for model in DATASETS.values() for name in model.model_fields})
    for phase, dataset in review.datasets():
        for name in list(dataset):
            if name not in known and looks_like(name, known):
                review.fault(("datasets", phase, name), *unknown_key(name, known))
                del dataset[name]


def _without(raw: Options, place: Keys) -> Options:
    if not place:
        return raw
    head, *rest = place
    if not rest or not isinstance(raw.get(head), dict):
        return {key: value for key, value in raw.items() if key != head}
    return {key: _without(value, tuple(rest)) if key == head else value for key, value in raw.items()}


def _as_written(raw: Options, checked: Options, tolerated: set[Keys], place: Keys = ()) -> Options:
    """The checked values in the order of the file, with the tolerated keys of others back in their places."""
    ordered: Options = {}
    for key, value in raw.items():
        if (*place, key) in tolerated:
            ordered[key] = value
        elif key in checked:
            both = isinstance(value, dict) and isinstance(checked[key], dict)
            ordered[key] = _as_written(value, checked[key], tolerated, (*place, key)) if both else checked[key]
    return ordered

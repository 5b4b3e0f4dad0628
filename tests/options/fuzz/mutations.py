"""Option files taken apart as trees: one to three places deleted, renamed, replaced, moved or added."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any, NamedTuple

from tests.options.fuzz.trees import FAMILIES, SCHEMA
from tests.options.fuzz.values import NAMES, NUMBERS, WORDS, any_value, like

Options = dict[str, Any]
Keys = tuple[str, ...]


class Change(NamedTuple):
    """What was done to a tree: in words, and the keys of which a refusal must name one."""

    told: str
    words: frozenset[str]


def mutate(rng: Random, tree: Options) -> tuple[Options, list[Change]]:
    """A copy of the options with one to three changes."""
    tree, changes = deepcopy(tree), []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        there = places(tree)
        if there:
            keys = rng.choice(there)
            before = deepcopy(value_at(tree, keys))
            how = rng.choice(WAYS)
            told = how(rng, tree, keys)
            # its block will do: weights that do not fit name the network, not the argument that makes it so
            words = {*keys[-2:], *inner_keys(before), *told.split()[1:]} if "_base_" not in keys else set()
            changes.append(Change(f"{how.__name__.strip('_')} {'.'.join(keys)}: {told}", frozenset(words)))
    return tree, changes


def places(tree: Any, keys: Keys = ()) -> list[Keys]:
    """The keys of all values inside options."""
    if not isinstance(tree, dict):
        return []
    return [place for key, value in tree.items() for place in ((*keys, key), *places(value, (*keys, key)))]


def inner_keys(value: Any) -> set[str]:
    """All keys inside a block."""
    return {key for keys in places(value) for key in keys}


def value_at(tree: Options, keys: Keys) -> Any:
    value: Any = tree
    for key in keys:
        value = value[key]
    return value


def _block(tree: Options, keys: Keys) -> Options:
    block: Options = value_at(tree, keys[:-1])
    return block


def _delete(rng: Random, tree: Options, keys: Keys) -> str:
    del _block(tree, keys)[keys[-1]]
    return "gone"


def _misspell(rng: Random, tree: Options, keys: Keys) -> str:
    block, key = _block(tree, keys), keys[-1]
    at = rng.randrange(len(key)) if key else 0
    swapped = key[:at] + key[at + 1 : at + 2] + key[at : at + 1] + key[at + 2 :]
    wrong = rng.choice(
        (key[:at] + key[at + 1 :], swapped, key[:at] + "x" + key[at:], key.upper(), key + " ", f"{key}s")
    )
    block[wrong] = block.pop(key)
    return f"to {wrong}"


def _replace(rng: Random, tree: Options, keys: Keys) -> str:
    _block(tree, keys)[keys[-1]] = any_value(rng)
    return "anything"


def _vary(rng: Random, tree: Options, keys: Keys) -> str:
    _block(tree, keys)[keys[-1]] = like(rng, value_at(tree, keys))
    return "alike"


def _number(rng: Random, tree: Options, keys: Keys) -> str:
    _block(tree, keys)[keys[-1]] = rng.choice(NUMBERS)
    return "number"


def _null(rng: Random, tree: Options, keys: Keys) -> str:
    _block(tree, keys)[keys[-1]] = None
    return "null"


def _wrap(rng: Random, tree: Options, keys: Keys) -> str:
    value = value_at(tree, keys)
    _block(tree, keys)[keys[-1]] = rng.choice(([value], {keys[-1]: value}, str(value), [value, value]))
    return "wrapped"


def _swap(rng: Random, tree: Options, keys: Keys) -> str:
    outside = [place for place in places(tree) if place[: len(keys)] != keys and keys[: len(place)] != place]
    if not outside:
        return _delete(rng, tree, keys)
    other = rng.choice(outside)
    mine, its = value_at(tree, keys), value_at(tree, other)
    _block(tree, keys)[keys[-1]], _block(tree, other)[other[-1]] = its, mine
    return f"with {' '.join(other[-2:])}"


def _move(rng: Random, tree: Options, keys: Keys) -> str:
    value = _block(tree, keys).pop(keys[-1])
    blocks = [tree, *(value_at(tree, place) for place in places(tree) if isinstance(value_at(tree, place), dict))]
    rng.choice(blocks)[keys[-1]] = value
    return "elsewhere"


def _copy(rng: Random, tree: Options, keys: Keys) -> str:
    other = rng.choice(places(tree))
    _block(tree, keys)[keys[-1]] = deepcopy(value_at(tree, other))
    return f"from {' '.join(other[-2:])}"


def _add(rng: Random, tree: Options, keys: Keys) -> str:
    name = rng.choice((*WORDS, *NAMES, f"{keys[-1]}2", "network_x", "x_opt", "val_2", "test_2", "optim_g", "scale"))
    _block(tree, keys)[name] = any_value(rng)
    return f"added {name}"


def _argument(rng: Random, tree: Options, keys: Keys) -> str:
    """A key that is known somewhere, beside the one that is there."""
    name = rng.choice(KNOWN)
    _block(tree, keys)[name] = rng.choice((any_value(rng), rng.choice(NUMBERS[:16]), rng.choice(WORDS[:52])))
    return f"added {name}"


def _name(rng: Random, tree: Options, keys: Keys) -> str:
    typed = [place for place in places(tree) if place[-1] in ("type", "model_type", "gan_type", "encoder", "name")]
    place = rng.choice(typed or [keys])
    _block(tree, place)[place[-1]] = name = rng.choice(NAMES)
    return f"of {' '.join(place[-2:])} {name}"


def _keys_of(schema: Any) -> set[str]:
    """All keys that the schema knows, wherever they belong."""
    inner = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return set(properties if isinstance(properties, dict) else ()).union(*map(_keys_of, inner))


ARGUMENTS = (
    "noise_ch",
    "encoder",
    "view",
    "spectral_norm",
    "num_down",
    "num_in_ch",
    "num_out_ch",
    "upscale",
    "input_size",
)
KNOWN = sorted({*_keys_of(SCHEMA), *ARGUMENTS, *(name for names in FAMILIES.values() for name in names)})
WAYS: tuple[Callable[[Random, Options, Keys], str], ...] = (
    *(_delete, _misspell, _replace, _replace, _vary, _vary, _vary, _vary, _number, _number, _null, _wrap, _swap, _move),
    *(_copy, _add, _argument, _argument, _argument, _name),
)

"""Option files: safe YAML and ``_base_`` inheritance by mmengine."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from usrda_plugin.options.faults import Fault, Keys, OptionsError, some
from usrda_plugin.options.plain_yaml import NotYAMLError, oddities, read_yaml
from usrda_plugin.options.validation import Options, Source

SUFFIXES = (".yml", ".yaml")


class Chain(NamedTuple):
    """A file merged over its bases, and all files it was made from, strongest first."""

    opt: Options
    sources: tuple[Source, ...]


def read_chain(opt_file: Path) -> Chain:
    """Read an option file and the bases it names, and merge them: what a file says wins over its bases.

    Bases beside each other may share blocks, but must not say different things about the same key.
    Raises OptionsError with all faults of the files themselves: missing, not YAML, tags, double keys, circular bases.
    """
    faults: list[Fault] = []
    chain = _chain(opt_file, (), faults)
    if faults:
        raise OptionsError(str(opt_file), faults)
    return chain


def _chain(file: Path, trail: tuple[Path, ...], faults: list[Fault]) -> Chain:
    place = file.resolve()
    keys, named_by = (("_base_",), str(trail[-1])) if trail else ((), str(file))
    if place in trail:
        circle = " -> ".join(step.name for step in (*trail[trail.index(place) :], place))
        message = f"the bases go in a circle: {circle}"
        faults.append(Fault(keys, named_by, message, "let one of them have no _base_"))
        return Chain({}, ())
    try:
        content = _read(file)
    except OSError as error:
        message = f"cannot read {file}: {error.strerror}"
        remedy = "correct the path; a base is looked for from the folder of the file that names it"
        faults.append(Fault(keys, named_by, message, remedy))
        return Chain({}, ())
    except NotYAMLError as error:
        faults.append(Fault((), str(file), str(error), "correct the YAML there"))
        return Chain({}, ())
    odd = [Fault(oddity.keys, str(file), oddity.message, oddity.remedy) for oddity in oddities(content)]
    if odd:
        faults += odd
        return Chain({}, ())
    bases = [_chain(file.parent / base, (*trail, place), faults) for base in _bases(file, content, faults)]
    merged: Options = {}
    for base in bases:
        _refuse_clashes(file, merged, base, faults)
        merged = _merge(file, merged, base.opt, faults)
    sources = (Source(str(file), content), *(source for base in bases for source in base.sources))
    return Chain(plain(_merge(file, merged, content, faults)), sources)


def _bases(file: Path, content: Options, faults: list[Fault]) -> list[str]:
    named = content.get("_base_", [])
    bases = named if isinstance(named, list) else [named]
    strange = [base for base in bases if not isinstance(base, str) or Path(base).suffix not in SUFFIXES]
    if strange:
        message = f"expected option files *.yml or *.yaml, found {some([repr(base) for base in strange])}"
        faults.append(Fault(("_base_",), str(file), message, "write _base_: other.yml"))
    return [base for base in bases if base not in strange]


def _merge(file: Path, below: Options, above: Options, faults: list[Fault]) -> Options:
    try:
        config = Config(_yielding(plain(below), above))
        config.merge_from_dict(deepcopy(above), allow_list_keys=False)
    except (KeyError, TypeError) as error:
        remedy = "write a block where the base has one, or drop the base's value by `_delete_: true` in your block"
        faults.append(Fault(("_base_",), str(file), str(error.args[0]), remedy))
        return below
    merged: Options = config.to_dict()
    return merged


def _yielding(below: Options, above: Options) -> Options:
    """What is below, without its nulls where a block comes above: mmengine would not put a block over them."""
    return {
        key: _yielding(value, above[key]) if isinstance(value, dict) and isinstance(above.get(key), dict) else value
        for key, value in below.items()
        if value is not None or not isinstance(above.get(key), dict)
    }


def _refuse_clashes(file: Path, merged: Options, base: Chain, faults: list[Fault]) -> None:
    for keys in _clashes(merged, base.opt):
        message = f"two bases say different things about it; one is {base.sources[0].label}"
        faults.append(Fault(keys, str(file), message, "chain the bases (each names the next by _base_)"))


def _clashes(one: Any, other: Any, keys: Keys = ()) -> Iterator[Keys]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() & other.keys():
            yield from _clashes(one[key], other[key], (*keys, key))
    elif one != other:
        yield keys


def _read(file: Path) -> Options:
    content = read_yaml(file.read_bytes())
    if not isinstance(content, dict):
        found = "nothing" if content is None else type(content).__name__
        raise NotYAMLError(f"expected an option file of `key: value` lines, found {found}")
    return content


def plain(value: Any) -> Any:
    """mmengine's dictionaries as plain ones, tuples as lists."""
    if isinstance(value, dict):
        # mmengine leaves the mark where the base had nothing to delete
        return {key: plain(inner) for key, inner in value.items() if key not in ("_delete_", "_base_")}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value

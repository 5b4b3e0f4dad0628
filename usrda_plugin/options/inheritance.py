"""Option files: safe YAML, `_base_` inheritance by mmengine, and values forced on the command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from usrda_plugin.options.plain_yaml import NotYAMLError, oddities, read_yaml
from usrda_plugin.options.validation import COMMAND_LINE, Keys, OptionError, Options, OptionsError, Source, some

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
    errors: list[OptionError] = []
    chain = _chain(opt_file, (), errors)
    if errors:
        raise OptionsError(str(opt_file), errors)
    return chain


def _chain(file: Path, trail: tuple[Path, ...], errors: list[OptionError]) -> Chain:
    place = file.resolve()
    keys, named_by = (("_base_",), str(trail[-1])) if trail else ((), str(file))
    if place in trail:
        circle = " -> ".join(step.name for step in (*trail[trail.index(place) :], place))
        message = f"the bases go in a circle: {circle}"
        errors.append(OptionError(keys, named_by, message, "let one of them have no _base_"))
        return Chain({}, ())
    try:
        content = _read(file)
    except OSError as error:
        message = f"cannot read {file}: {error.strerror}"
        remedy = "correct the path; a base is looked for from the folder of the file that names it"
        errors.append(OptionError(keys, named_by, message, remedy))
        return Chain({}, ())
    except NotYAMLError as error:
        errors.append(OptionError((), str(file), str(error), "correct the YAML there"))
        return Chain({}, ())
    odd = list(oddities(content, str(file)))
    if odd:
        errors += odd
        return Chain({}, ())
    bases = [_chain(file.parent / base, (*trail, place), errors) for base in _bases(file, content, errors)]
    merged: Options = {}
    for base in bases:
        _refuse_clashes(file, merged, base, errors)
        merged = _merge(file, merged, base.opt, errors)
    sources = (Source(str(file), content), *(source for base in bases for source in base.sources))
    return Chain(plain(_merge(file, merged, content, errors)), sources)


def _bases(file: Path, content: Options, errors: list[OptionError]) -> list[str]:
    named = content.get("_base_", [])
    bases = named if isinstance(named, list) else [named]
    strange = [base for base in bases if not isinstance(base, str) or Path(base).suffix not in SUFFIXES]
    if strange:
        message = f"expected option files *.yml or *.yaml, found {some([repr(base) for base in strange])}"
        errors.append(OptionError(("_base_",), str(file), message, "write _base_: other.yml"))
    return [base for base in bases if base not in strange]


def _merge(file: Path, below: Options, above: Options, errors: list[OptionError]) -> Options:
    try:
        config = Config(_yielding(plain(below), above))
        config.merge_from_dict(deepcopy(above), allow_list_keys=False)
    except (KeyError, TypeError) as error:
        remedy = "write a block where the base has one, or drop the base's value by `_delete_: true` in your block"
        errors.append(OptionError(("_base_",), str(file), str(error.args[0]), remedy))
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


def _refuse_clashes(file: Path, merged: Options, base: Chain, errors: list[OptionError]) -> None:
    for keys in _clashes(merged, base.opt):
        message = f"two bases say different things about it; one is {base.sources[0].label}"
        errors.append(OptionError(keys, str(file), message, "chain the bases (each names the next by _base_)"))


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


def force(opt: Options, overrides: Sequence[str]) -> Source:
    """Put ``a:b:c=value`` into the options, making blocks where there are none; returns what was forced.

    Raises OptionsError for an override that cannot be read.
    """
    forced: Options = {}
    errors: list[OptionError] = []
    for override in overrides:
        path, _, text = override.partition("=")
        keys = [key.strip() for key in path.split(":")]
        wrong = _faults_of_override(override, keys, text)
        if not wrong:
            value = read_yaml(text)
            # BasicSR's own spelling of "nothing"
            value = None if isinstance(value, str) and value.lower() == "none" else plain(value)
            for target in (opt, forced):
                _put(target, keys, value)
        errors += wrong
    if errors:
        raise OptionsError(COMMAND_LINE, errors)
    return Source(COMMAND_LINE, forced)


def _faults_of_override(override: str, keys: Sequence[str], text: str) -> list[OptionError]:
    try:
        odd = list(oddities(read_yaml(text), COMMAND_LINE, tuple(keys)))
    except NotYAMLError as error:
        return [OptionError(tuple(keys), COMMAND_LINE, str(error), "quote the value for the shell and for YAML")]
    if not odd and ("=" not in override or not all(keys)):
        message, remedy = f"cannot read {override!r}", "write block:key=value, e.g. train:total_iter=100"
        return [OptionError((), COMMAND_LINE, message, remedy)]
    return odd


def _put(opt: Options, keys: Sequence[str], value: Any) -> None:
    for key in keys[:-1]:
        if not isinstance(opt.get(key), dict):
            opt[key] = {}
        opt = opt[key]
    opt[keys[-1]] = value

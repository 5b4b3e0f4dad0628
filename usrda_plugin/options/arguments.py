"""Arguments of a registered class or function, checked against its own signature."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation, PydanticUserError

from usrda_plugin.options.fields import to_number
from usrda_plugin.options.validation import nearest

DOCUMENTED = {"int": int, "float": float, "str": str, "bool": bool, "dict": dict, "list": list}
PLAIN = (bool, int, float, str, list, dict, type(None))


class ArgumentError(NamedTuple):
    """An argument that does not fit, or that is missing."""

    name: str
    message: str
    remedy: str


class Call(NamedTuple):
    """What a registered class or function takes.

    ``open_ended``: it takes any further names, which its owner may read.
    """

    function: Callable[..., Any]
    parameters: dict[str, inspect.Parameter]
    hints: dict[str, Any]
    open_ended: bool

    @property
    def name(self) -> str:
        """The name of the class or function."""
        return self.function.__name__


def call_of(function: Callable[..., Any], given: Iterable[str] = (), *, strict: bool = False) -> Call | None:
    """What ``function`` takes beside the arguments ``given`` by BasicSR; None where that cannot be told.

    ``strict``: a ``**kwargs`` only swallows what others read, so it makes no further name right.
    """
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):
        return None
    parameters = {name: parameter for name, parameter in signature.parameters.items() if name not in set(given)}
    catch_all = [name for name, parameter in parameters.items() if parameter.kind is parameter.VAR_KEYWORD]
    named = {name: p for name, p in parameters.items() if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    return Call(function, named, _hints(function), bool(catch_all) and not strict)


def argument_errors(call: Call, arguments: dict[str, Any], also: Iterable[str] = ()) -> list[ArgumentError]:
    """What is wrong with ``arguments``: unknown, missing or of a wrong kind; texts that mean numbers become numbers.

    ``also`` names arguments that are right though they are not the function's.
    """
    found: list[ArgumentError] = []
    known = [*call.parameters, *also]
    for name in list(arguments):
        if name not in known:
            suggestion = nearest(name, known)
            if not call.open_ended or suggestion:
                remedy = suggestion or f"remove it; {call.name} takes {', '.join(known) or 'no arguments'}"
                found.append(ArgumentError(name, f"{call.name} takes no argument {name!r}", remedy))
        elif name in call.parameters:
            value, complaint = _fitted(call, call.parameters[name], arguments[name])
            arguments[name] = value
            if complaint:
                found.append(ArgumentError(name, f"{complaint}, found {value!r}", f"see {call.name}"))
    missing = [n for n, p in call.parameters.items() if p.default is p.empty and n not in arguments]
    return found + [
        ArgumentError(name, f"{call.name} needs {name!r}, which is not there", f"add {name}: ...") for name in missing
    ]


def takes_null(call: Call, name: str) -> bool:
    """Whether null may be a value of its own for an argument, rather than none at all; where unknown, it may."""
    parameter = call.parameters.get(name)
    if parameter is None or parameter.default is None:
        return True
    adapter = _adapter(call.hints[name]) if name in call.hints else None
    if adapter is not None:
        return not _validated(adapter, None)[1]
    return _kind_of_default(parameter) is None and parameter.default is not parameter.empty


def _fitted(call: Call, parameter: inspect.Parameter, value: Any) -> tuple[Any, str]:
    """The value as the parameter wants it, and what is wrong with it, if anything."""
    if parameter.name in call.hints:
        adapter = _adapter(call.hints[parameter.name])
        if adapter is not None:
            return _by_annotation(adapter, value)
    documented = _documented_kind(call.function, parameter)
    kind = _kind_of_default(parameter) or (documented if parameter.default is parameter.empty else None)
    fitted, complaint = _by_kind(kind, value)
    # a whole default may stand for any number (`res_scale=1`), unless the docstring says int
    if not complaint and documented is int and isinstance(fitted, float):
        complaint = "expected a whole number"
    return fitted, complaint


def _by_annotation(adapter: TypeAdapter[Any], value: Any) -> tuple[Any, str]:
    fitted, complaint = _validated(adapter, value)
    if complaint and to_number(value) != value:
        fitted, complaint = _validated(adapter, to_number(value))
    if isinstance(value, bool) and not isinstance(fitted, bool):
        return value, complaint or "expected a number"
    fitted = list(fitted) if isinstance(fitted, tuple) else fitted
    return (fitted if isinstance(fitted, PLAIN) else value), complaint


def _validated(adapter: TypeAdapter[Any], value: Any) -> tuple[Any, str]:
    try:
        return adapter.validate_python(value), ""
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        expected = first["msg"].replace("Input should be", "expected")
        choices = re.findall(r"'([^']*)'", expected) if first["type"] == "literal_error" else []
        hint = nearest(str(value), choices)
        return value, f"{expected} ({hint})" if hint else expected


def _by_kind(kind: type | None, value: Any) -> tuple[Any, str]:
    if kind is None or value is None:
        return number_deeply(value), ""
    if kind is str:
        return value, "" if isinstance(value, str) else "expected text"
    value = number_deeply(value)
    if kind is bool:
        return value, "" if isinstance(value, bool) else "expected true or false"
    if kind in (int, float):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value, "expected a number"
        if math.isnan(value):
            return value, "expected a number"
        return int(value) if kind is int and float(value).is_integer() else value, ""
    if kind in (list, tuple):
        return value, "" if isinstance(value, list) else "expected a list"
    return value, "" if kind is not dict or isinstance(value, dict) else "expected a block of `key: value` lines"


def number_deeply(value: Any) -> Any:
    """Texts such as ``1e-4`` as numbers, also inside lists and blocks; other texts unchanged."""
    if isinstance(value, dict):
        return {key: number_deeply(inner) for key, inner in value.items()}
    return [number_deeply(inner) for inner in value] if isinstance(value, list) else to_number(value)


def _kind_of_default(parameter: inspect.Parameter) -> type | None:
    default = parameter.default
    kinds = (bool, int, float, str, list, tuple, dict)
    return type(default) if default is not parameter.empty and type(default) in kinds else None


def _documented_kind(function: Callable[..., Any], parameter: inspect.Parameter) -> type | None:
    """The kind that a docstring tells (``num_feat (int): ...``), which BasicSR writes where it has no annotation."""
    described = re.search(rf"^\s*{re.escape(parameter.name)} \((\w+)\)", function.__doc__ or "", re.MULTILINE)
    return DOCUMENTED.get(described[1]) if described else None


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    target = function.__init__ if isinstance(function, type) else function  # type: ignore[misc]
    try:
        return get_type_hints(target)
    except (NameError, TypeError, AttributeError):
        return {}  # annotations that only a type checker can read


def _adapter(hint: Any) -> TypeAdapter[Any] | None:
    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=False))
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation):
        return None  # not a kind of value that YAML has
    except PydanticUserError:
        return TypeAdapter(hint)  # the kind brings its own configuration

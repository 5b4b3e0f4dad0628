"""The kinds of values that options have, with the coercions that YAML 1.1 makes necessary."""

from __future__ import annotations

from os.path import expanduser
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

# bytes; what file systems have
LONGEST_NAME, LONGEST_PATH = 255, 4000


class Block(BaseModel):
    """A block of the option file: every key has a description, none is required here, others are faults.

    ``families`` are keys of which a user may write any number, by a pattern of their names.
    """

    model_config = ConfigDict(extra="forbid", protected_namespaces=())
    families: ClassVar[tuple[Any, ...]] = ()


def key(description: str, **constraints: Any) -> Any:
    """A key that may be left out, or be null, which is the same."""
    return Field(default=None, description=description, **constraints)


def to_number(value: Any) -> Any:
    """The number that a text such as ``1e-4`` means (YAML 1.1 reads it as text); other values unchanged."""
    if not isinstance(value, str):
        return value
    try:
        number = float(value)
    except ValueError:
        return value
    is_whole = number.is_integer() and not set(value.lower()) & set(".e")
    return int(number) if is_whole and abs(number) < 2**63 else number


def _number(value: Any) -> Any:
    number = to_number(value)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise PydanticCustomError("number", "expected a number, found {found}", {"found": repr(value)})
    return number


def _whole(value: Any) -> Any:
    number = to_number(value)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int) or abs(number) >= 2**63:
        raise PydanticCustomError("whole", "expected a whole number, found {found}", {"found": repr(value)})
    return number


def _flag(value: Any) -> Any:
    if not isinstance(value, bool):
        raise PydanticCustomError("flag", "expected true or false, found {found}", {"found": repr(value)})
    return value


def _switch(value: Any) -> Any:
    if value != "auto" and not isinstance(value, bool):
        raise PydanticCustomError("switch", "expected true, false or auto, found {found}", {"found": repr(value)})
    return value


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        raise PydanticCustomError("text", "expected text, found {found}", {"found": repr(value)})
    return value


def _spelled(value: Any) -> Any:
    """Text, which a number may be where it is but a part of a name, as BasicSR has it."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else _text(value)


def _gpus(value: Any) -> Any:
    if value == "auto":
        return value
    number = _whole(value)
    if number < 0:
        raise PydanticCustomError("whole", "expected 0 or more, or auto, found {found}", {"found": repr(value)})
    return number


def _path(value: str) -> str:
    longest = max(len(part.encode()) for part in value.split("/"))
    if longest > LONGEST_NAME or len(value.encode()) > LONGEST_PATH:
        found = f"one of {len(value)} characters"
        raise PydanticCustomError("path", "expected a path that a disk can have, found {found}", {"found": found})
    if "\0" in value:
        raise PydanticCustomError("path", "expected a path that a disk can have, found {found}", {"found": repr(value)})
    return expanduser(value)  # noqa: PTH111 - a Path would drop a trailing slash


def _ascending(limits: list[float]) -> list[float]:
    if limits[0] > limits[1]:
        told = {"found": repr(limits), "remedy": f"write e.g. {limits[::-1]}"}
        raise PydanticCustomError("order", "expected the smaller number first, found {found}", told)
    return limits


def _of_some_width(limits: list[float]) -> list[float]:
    if limits[0] == limits[1]:
        told = {"found": repr(limits), "remedy": f"write e.g. {[limits[0], limits[0] + 1]}"}
        raise PydanticCustomError("order", "expected the smaller number first, found {found}", told)
    return limits


def _any_above_0(chances: list[float]) -> list[float]:
    if not sum(chances) > 0:
        told = {"found": repr(chances), "remedy": "write one above 0"}
        raise PydanticCustomError("chances", "expected probabilities of which one is above 0, found {found}", told)
    return chances


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Real = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Whole = Annotated[int, BeforeValidator(_whole)]
Flag = Annotated[bool, BeforeValidator(_flag)]
Switch = Annotated[Any, BeforeValidator(_switch), WithJsonSchema({"enum": ["auto", True, False]})]
Text = Annotated[str, BeforeValidator(_text)]
Spelled = Annotated[str, BeforeValidator(_spelled)]
FilePath = Annotated[Text, AfterValidator(_path)]
Texts = Annotated[
    list[Text], BeforeValidator(_listed), WithJsonSchema({"type": ["array", "string"], "items": {"type": "string"}})
]
Gpus = Annotated[
    Any, BeforeValidator(_gpus), WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"const": "auto"}]})
]
Probability = Annotated[Real, Field(ge=0, le=1)]
Chances = Annotated[list[Probability], AfterValidator(_any_above_0)]
Range = Annotated[list[Real], Field(min_length=2, max_length=2), AfterValidator(_ascending)]
WideRange = Annotated[Range, AfterValidator(_of_some_width)]

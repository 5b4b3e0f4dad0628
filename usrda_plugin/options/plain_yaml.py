"""Safe YAML of plain values: text, numbers, true, false, null, lists and blocks, with text for keys, each once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from usrda_plugin.options.validation import Keys, OptionError

DEEPEST = 40  # blocks and lists inside each other
MOST = 100_000  # values in a file, those of an alias counted wherever it stands
LARGEST = 2**63 - 1  # what torch and numpy have as whole numbers
TOO_DEEP = f"more than {DEEPEST} lists or blocks inside each other"


class NotYAMLError(ValueError):
    """A text that is no YAML of plain values; the message says where."""


class SafeLoader(yaml.SafeLoader):
    """YAML without Python objects, whose mappings have text for keys, each once."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.depth > DEEPEST:
            raise yaml.composer.ComposerError(None, None, TOO_DEEP, self.peek_event().start_mark)
        self.depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise yaml.constructor.ConstructorError(None, None, "expected a block", node.start_mark)
        seen: set[str] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is not text; quote it", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice in one block", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError):
            # what a tag promises, or a text looks like, and is not: `!!int x`, 2024-13-45, a number of 5000 digits
            text = repr(node.value) if isinstance(node, yaml.ScalarNode) else "a list or block"
            shown = text if len(text) <= 60 else f"{text[:50]}... ({len(text)} characters)"
            problem = f"cannot read {shown} as {node.tag.rpartition(':')[2]}; quote it if it is text"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None


def read_yaml(text: str | bytes) -> Any:
    """The values that a YAML text says. Raises NotYAMLError, which says where the text is none."""
    try:
        return yaml.load(text if isinstance(text, str) else _decoded(text), Loader=SafeLoader)
    except yaml.reader.ReaderError as error:
        told = f"the character U+{error.character:04X} is not allowed in YAML"
        raise NotYAMLError(f"line {_line(text, error.position)}: {told}") from None
    except yaml.YAMLError as error:
        raise NotYAMLError(_message(error)) from None


def oddities(value: Any, file: str, keys: Keys = ()) -> Iterator[OptionError]:
    """What in YAML's values no option can be, nor be written for BasicSR; aliases without end are told alone."""
    try:
        count = _count(value, keys, {}, set())
    except _EndlessError as error:
        yield OptionError(error.keys, file, str(error), "write the values out, without aliases")
        return
    if count > MOST:
        inner = value if isinstance(value, dict) else {}
        largest = max(inner, key=lambda key: _count(inner[key], (), {}, set()), default=None)
        place = keys if largest is None else (*keys, largest)
        message = f"{count:,} values, those of aliases wherever they stand; expected at most {MOST:,}"
        yield OptionError(place, file, message, "write the values out, without aliases")
        return
    yield from _odd(value, file, keys)


class _EndlessError(ValueError):
    """Aliases that make values without end, or nearly so."""

    def __init__(self, keys: Keys, message: str) -> None:
        super().__init__(message)
        self.keys = keys


def _count(value: Any, keys: Keys, known: dict[int, int], above: set[int]) -> int:
    """Values inside a value, itself counted."""
    if not isinstance(value, list | dict):
        return 1
    if id(value) in above:
        raise _EndlessError(keys, "an alias contains itself")
    if len(above) > DEEPEST:
        raise _EndlessError(keys, TOO_DEEP)
    if id(value) not in known:
        inner = value.items() if isinstance(value, dict) else (("", item) for item in value)
        known[id(value)] = 1 + sum(
            _count(item, (*keys, key) if key else keys, known, above | {id(value)}) for key, item in inner
        )
    return known[id(value)]


def _odd(value: Any, file: str, keys: Keys) -> Iterator[OptionError]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _odd_text(key, file, (*keys, key))
            yield from _odd(inner, file, (*keys, key))
    elif isinstance(value, list):
        for item in value:
            yield from _odd(item, file, keys)
    elif isinstance(value, str):
        yield from _odd_text(value, file, keys)
    elif value is not None and not isinstance(value, bool | int | float):
        message = f"expected text, a number, true, false, a list or a block, found a {type(value).__name__}"
        yield OptionError(keys, file, message, "quote it if it is text")
    elif isinstance(value, int) and abs(value) > LARGEST:
        message = f"a whole number of {len(str(value))} digits is too large"
        yield OptionError(keys, file, message, f"{LARGEST} is the largest")


def _odd_text(text: str, file: str, keys: Keys) -> Iterator[OptionError]:
    odd = [character for character in text if character == "\0" or "\ud800" <= character <= "\udfff"]
    if odd:
        shown = tuple(key.encode("utf-8", "backslashreplace").decode() for key in keys)
        yield OptionError(shown, file, f"the text has a character that no text file can have: {odd[0]!r}", "remove it")


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        found = "UTF-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else f"the byte 0x{content[error.start]:02x}"
        raise NotYAMLError(f"line {line}: expected text in UTF-8, found {found}; save the file as UTF-8") from None


def _message(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), str(getattr(error, "problem", None) or error)
    if "could not determine a constructor" in problem:
        problem = f"{problem}; option files hold plain values only, no Python objects"
    elif getattr(error, "context", None):
        problem = f"{error.context}, {problem}"  # type: ignore[attr-defined]
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}" if mark else f"not YAML: {problem}"


def _line(text: str | bytes, position: int) -> int:
    return (text if isinstance(text, str) else text.decode("utf-8", "replace")).count("\n", 0, position) + 1

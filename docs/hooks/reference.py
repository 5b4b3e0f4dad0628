"""Pages that are made of the code: the API from docstrings, the option reference from options/schema.json.

Both are read, nothing is imported: the site is built where there is neither torch nor BasicSR.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

# packages of the API reference, each a page; what is public is their __all__
PACKAGES = ("archs", "data", "losses", "metrics", "method", "models", "inference")
_WORDS = {
    "minimum": "≥ {}",
    "exclusiveMinimum": "> {}",
    "maximum": "≤ {}",
    "exclusiveMaximum": "< {}",
    "minItems": "at least {} of them",
    "maxItems": "at most {} of them",
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each package, one for the names of ``usrda_plugin`` itself, and the option reference."""
    from mkdocs.structure.files import File

    root = Path(config.config_file_path).parent
    schema = json.loads((root / "options/schema.json").read_text(encoding="utf-8"))
    pages = {f"api/{package}.md": package_page(root, package) for package in PACKAGES}
    pages |= {"api/usrda_plugin.md": front_page(root), "option_reference.md": option_reference(schema)}
    for name, text in pages.items():
        if name not in files.src_uris:  # a page of docs/ goes before one that is made here
            files.append(File.generated(config, name, content=text))
    return files


def front_page(root: Path) -> str:
    """The page of what ``from usrda_plugin import ...`` gives."""
    lines = ["# usrda_plugin", "", docstring(root, "usrda_plugin"), ""]
    lines += ["    from usrda_plugin import " + ", ".join(public_names(root)), ""]
    for name, package in {"register": "", **public_names(root)}.items():
        module = f"usrda_plugin.{package}" if package else "usrda_plugin"
        lines += [f"::: {module}.{name}", "    options:", "      show_root_heading: true"]
        lines += ["      show_root_full_path: false", "      show_root_toc_entry: true", ""]
    return "\n".join(lines)


def package_page(root: Path, package: str) -> str:
    """The page of a package: its docstring, and all that its ``__all__`` names."""
    module = f"usrda_plugin.{package}"
    return "\n".join([f"# {module}", "", f"::: {module}", "    options:", "      members_order: __all__", ""])


def public_names(root: Path) -> dict[str, str]:
    """The names of ``usrda_plugin._PUBLIC``, and the packages that have them."""
    (table,) = (
        statement.value
        for statement in _module(root, "usrda_plugin").body
        if isinstance(statement, ast.Assign | ast.AnnAssign) and ast.unparse(statement).startswith("_PUBLIC")
    )
    names: dict[str, str] = ast.literal_eval(table)
    return names


def docstring(root: Path, module: str) -> str:
    """The docstring of a package, with code as Markdown has it."""
    return (ast.get_docstring(_module(root, module)) or "").replace("``", "`")


def _module(root: Path, module: str) -> ast.Module:
    return ast.parse((root / module.replace(".", "/") / "__init__.py").read_text(encoding="utf-8"))


def option_reference(schema: dict[str, Any]) -> str:
    """The option reference: a table of the top level, then one for each block that keys lead to, in their order."""
    lines = [
        "# Option reference",
        "",
        "Every key of an option file. This page is made of `options/schema.json`, by which editors complete and check",
        "keys too. No key is required here: what a model or a data set needs is told before anything is made. `null`",
        "is the same as leaving a key out. A name with `*` stands for any number of keys. What the terms mean is in",
        "[the method](method.md).",
        "",
        "## The top level",
        "",
        *_table(schema),
    ]
    for name, places in _blocks(schema).items():
        block = schema["$defs"][name]
        where = ", ".join(f"`{place}`" for place in places)
        lines += [f"## {name}", "", f"At {where}. {_cell(block.get('description', ''))}", "", *_table(block)]
    return "\n".join(lines) + "\n"


def _blocks(schema: dict[str, Any]) -> dict[str, list[str]]:
    """The names of the schema's blocks in the order in which keys lead to them, and these keys."""
    found: dict[str, list[str]] = {}
    waiting = [("", schema)]
    while waiting:
        above, block = waiting.pop(0)
        for key, value in _keys(block).items():
            for name in _references(value):
                if name not in found:
                    waiting.append((f"{above}{key}: ", schema["$defs"][name]))
                found.setdefault(name, []).append(above + key)
    return found


def _references(part: Any) -> list[str]:
    if isinstance(part, list):
        return [name for item in part for name in _references(item)]
    if not isinstance(part, dict):
        return []
    own = [part["$ref"].rpartition("/")[2]] if "$ref" in part else []
    return own + [name for value in part.values() for name in _references(value)]


def _keys(block: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The keys of a block, those by a pattern with ``*`` for what varies."""
    keys = {name: value for name, value in block.get("properties", {}).items() if name != "_delete_"}
    return keys | {_spelt(pattern): value for pattern, value in block.get("patternProperties", {}).items()}


def _spelt(pattern: str) -> str:
    """A pattern of names as a reader writes it: ``^pretrain_network_\\w+$`` is pretrain_network_*."""
    plain = pattern.strip("^$").replace(r"(_\w+)?", "*").replace(r"\w+", "*")
    alternatives = re.fullmatch(r"\((\w+(?:\|\w+)+)\)(.*)", plain)
    return " or ".join(first + alternatives[2] for first in alternatives[1].split("|")) if alternatives else plain


def _table(block: dict[str, Any]) -> list[str]:
    rows = [
        f"| `{name}` | {_kind(value)} | {_cell(value.get('description', ''))} |" for name, value in _keys(block).items()
    ]
    return ["| key | value | what it does |", "|---|---|---|", *rows, ""] if rows else []


def _cell(text: str) -> str:
    """A text of the schema, which is no Markdown, in a table."""
    return re.sub(r"([|*<])", r"\\\1", text.replace("\n", " "))


def _kind(value: dict[str, Any]) -> str:
    """What a key takes, in words."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "enum" in value:
        return " or ".join(f"`{json.dumps(choice).strip(chr(34))}`" for choice in value["enum"] if choice is not None)
    if "const" in value:
        return f"`{value['const']}`"
    if "anyOf" in value:
        return " or ".join(kind for item in value["anyOf"] if (kind := _kind(item)))
    kinds = [value["type"]] if isinstance(value.get("type"), str) else value.get("type", [])
    return " or ".join(_plain(kind, value) for kind in kinds if kind != "null")


def _plain(kind: str, value: dict[str, Any]) -> str:
    limits = [words.format(value[limit]) for limit, words in _WORDS.items() if limit in value]
    if "minItems" in value and value["minItems"] == value.get("maxItems"):
        limits = [f"{value['minItems']} of them"]
    if kind == "array":
        return ", ".join([f"list of: {_kind(value['items'])}", *limits])
    if kind == "object":
        return f"block of: {_kind(value.get('additionalProperties') or {}) or 'any keys'}"
    named = {"string": "text", "integer": "whole number", "boolean": "`true` or `false`"}.get(kind, kind)
    return ", ".join([named, *(limits if kind in ("integer", "number") else [])])

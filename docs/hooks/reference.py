"""The pages of the API, made of docstrings and ``__all__``.

The code is read and not imported: the site is built where there is neither torch nor BasicSR.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

# packages of the API reference, each a page; what is public is their __all__
PACKAGES = ("archs", "data", "losses", "metrics", "method", "models", "inference")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each package, and one for the names of ``usrda_plugin`` itself."""
    from mkdocs.structure.files import File

    root = Path(config.config_file_path).parent
    pages = {f"api/{package}.md": package_page(root, package) for package in PACKAGES}
    for name, text in {"api/usrda_plugin.md": front_page(root), **pages}.items():
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

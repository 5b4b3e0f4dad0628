"""A page as one file: templates, style and script inside, pictures as data: URLs, and no request to anywhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from usrda_plugin import __version__
from usrda_plugin.errors import SetupError
from usrda_plugin.reports.charts import number
from usrda_plugin.reports.comparing import Comparison
from usrda_plugin.reports.data_urls import inline
from usrda_plugin.weights.writing import SaveError, write_text

TEMPLATES = Path(__file__).parent / "templates"


def write_comparison(comparison: Comparison, output: Path, *, overwrite: bool = False) -> None:
    """Write the page of networks side by side. Raises SetupError where the file is there, or cannot be written."""
    names = comparison.scenes[0].names if comparison.scenes else ()
    content = render("compare.html", {
        "title": " or ".join(names[1:]) + "?" if len(names) > 2 else " and ".join(names),
        "gallery": inline(comparison.scenes),
        "comparison": comparison,
    })  # fmt: skip
    write_page(output, content, overwrite=overwrite)


def check_output(output: Path, *, overwrite: bool) -> None:
    """Raise SetupError where a page must not or cannot be written, before any work is done."""
    if output.is_dir():
        raise SetupError(f"{output}: expected a file for the page, found a folder; give --output a name such as"
                         f" {output / 'report.html'}")  # fmt: skip
    if output.exists() and not overwrite:
        raise SetupError(f"{output}: expected no such file, found one; say --overwrite, or give another --output")
    if not output.absolute().parent.is_dir():
        raise SetupError(f"{output}: expected a folder for the page, found none ({output.parent}); make it first")


def write_page(output: Path, content: str, *, overwrite: bool) -> None:
    """Write a page beside its place and give it its name when it is whole. Raises SetupError."""
    check_output(output, overwrite=overwrite)
    try:
        write_text(output, content)
    except SaveError as error:
        raise SetupError(str(error)) from error


def render(template: str, content: Mapping[str, Any]) -> str:
    """The text of a page. Its policy lets it load nothing but what it holds; all values are escaped."""
    style, script = _source("style.css"), _source("page.js")
    policy = "; ".join([
        "default-src 'none'", "img-src data:", f"style-src '{_digest(style)}'", f"script-src '{_digest(script)}'",
        "base-uri 'none'", "form-action 'none'",
    ])  # fmt: skip
    own = {"style": Markup(style), "script": Markup(script), "policy": policy, "version": __version__}
    return _environment().get_template(template).render(**own, **content)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters["number"] = number
    return environment


def _printable(value: object) -> object:
    """Text without what is no character, or turns the direction of writing: file names may have it, pages must not."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode("ascii") for c in value)


def _source(name: str) -> str:
    return f"\n{(TEMPLATES / name).read_text(encoding='utf-8')}"


def _digest(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode('ascii')}"

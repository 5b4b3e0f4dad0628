"""The documentation site: its pages, links and commands, without what builds it; the build itself is slow."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import markdown
import pytest
import yaml
from markdown_it import MarkdownIt

from usrda_plugin.cli import basicsr, usrda

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
# commands that are written down before they are there; a line goes with its command
PROGRAMS = r"(usrda|basicsr|make|python|pip|git)\b"
NEW = ["quickstart.md", "your_camera.md", "baselines.md", "plugin.md"]


def hook(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_hooks_{name}", DOCS / f"hooks/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


links, reference, offline = hook("links"), hook("reference"), hook("offline")
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
GENERATED = {"api/usrda_plugin.md", *(f"api/{package}.md" for package in reference.PACKAGES)}
PAGES = sorted({*(file.name for file in DOCS.glob("*.md")), *links.MIRRORED.values()})


def text(page: str) -> str:
    return (ROOT / links.file_of(page)).read_text(encoding="utf-8")


def without_code(markdown_text: str) -> str:
    plain = re.sub(r"^(```|~~~).*?^\1$", "", markdown_text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]+`", "code", re.sub(r"^ {4}.*$", "", plain, flags=re.MULTILINE))


def in_nav(entry: Any) -> list[str]:
    if isinstance(entry, str):
        return [entry]
    return [page for part in (entry if isinstance(entry, list) else entry.values()) for page in in_nav(part)]


def headings(page: str) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text(page), flags=re.MULTILINE | re.DOTALL), re.M)
    return {offline.slug(re.sub(r"`", "", title), "-") for title in titles}


# pages and links


def test_every_page_is_in_the_navigation_once_and_is_there() -> None:
    pages = in_nav(SITE["nav"])
    assert sorted(pages) == sorted({*PAGES, *GENERATED})


@pytest.mark.parametrize("page", PAGES)
def test_internal_links_lead_to_pages_to_their_headings_and_to_files(page: str) -> None:
    targets = [found["target"] for found in re.finditer(links._LINK, without_code(text(page)))]
    for target in [target for target in targets if not target.startswith("http")]:
        path, _, anchor = target.partition("#")
        file = (ROOT / links.file_of(page)).parent / path if path else ROOT / links.file_of(page)
        there = os.path.relpath(file, DOCS)
        assert file.exists() or there in GENERATED, f"{page}: {target}"
        if anchor and there not in GENERATED:
            named = links.MIRRORED.get(os.path.relpath(file, ROOT), there)
            assert anchor in headings(named), f"{page}: {target}"


@pytest.mark.parametrize(
    ("page", "written", "in_site"),
    [
        ("index.md", "[a](docs/method.md)", "[a](method.md)"),
        ("index.md", "[a](docs/method.md#names)", "[a](method.md#names)"),
        ("index.md", "![a](docs/demo.png)", "![a](demo.png)"),
        ("index.md", "[a](CONTRIBUTING.md)", "[a](contributing.md)"),
        ("index.md", "[![a](docs/demo.png)](docs/results.md)", "[![a](demo.png)](results.md)"),
        ("index.md", '<img alt="a" src="docs/demo.png">', '<img alt="a" src="demo.png">'),
        ("method.md", "[a](results.md)", "[a](results.md)"),
        ("method.md", "[a](../README.md#upscaling)", "[a](index.md#upscaling)"),
        ("method.md", "[a](#names) [b](https://example.org/x)", "[a](#names) [b](https://example.org/x)"),
        ("api/data.md", "[a](../data.md)", "[a](../data.md)"),
        ("method.md", "`[a](../x.py)`\n\n    [a](../x.py)\n\n```\n[a](../x.py)\n```", None),
    ],
)
def test_links_of_the_code_host_become_those_of_the_site(page: str, written: str, in_site: str | None) -> None:
    assert links.rewrite(written, page) == (written if in_site is None else in_site)


def test_a_link_out_of_the_site_leads_into_the_repository_or_is_plain_text() -> None:
    written = "see [`algorithm.py`](../usrda_plugin/method/algorithm.py)."
    assert links.rewrite(written, "method.md") == "see `algorithm.py`."
    there = "https://host.example/owner/name"
    expected = f"see [`algorithm.py`]({there}/blob/main/usrda_plugin/method/algorithm.py)."
    assert links.rewrite(written, "method.md", f"{there}/") == expected


@pytest.mark.parametrize("page", PAGES)
def test_pages_have_the_same_structure_on_the_code_host_and_in_the_site(page: str) -> None:
    """Two programs read the Markdown; they differ where, for one, a list needs a blank line before it."""
    extensions = ["tables", "fenced_code", "attr_list", "md_in_html"]
    site = markdown.markdown(text(page), extensions=extensions)
    host = MarkdownIt("commonmark", {"html": True}).enable("table").render(text(page))
    for tag in ("h1", "h2", "h3", "li", "table", "tr", "td", "th", "pre", "code", "img", "a"):
        counts = [len(re.findall(rf"<{tag}[ >]", rendered)) for rendered in (site, host)]
        assert counts[0] == counts[1], tag


# what is fetched


def test_nothing_is_fetched_and_the_repository_has_no_made_up_address() -> None:
    assert SITE["theme"]["font"] is False
    assert "repo_url" not in SITE
    assert "extra_javascript" not in SITE
    assert all((DOCS / sheet).is_file() for sheet in SITE["extra_css"])
    assert "url(" not in (DOCS / "assets/site.css").read_text(encoding="utf-8")
    assert {"search", "mkdocstrings"} == {next(iter(one)) if isinstance(one, dict) else one for one in SITE["plugins"]}


def test_a_built_page_that_loads_from_elsewhere_or_leads_nowhere_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/b.html").write_text('<a href="../index.html#x"></a><img src="../a.png"><a href="c.html"></a>')
    (tmp_path / "index.html").write_text(
        '<script src="https://cdn.example/x.js"></script><link rel="stylesheet" href="//fonts.example/f.css">'
        '<a href="https://example.org"></a><a href="deep/b.html"></a><link rel="canonical" href="https://me.example">'
        '<img src="a.png"><a href="/index.html"></a><a href="#here"></a><img src="data:image/png;base64,AA">'
    )
    assert offline.faults(tmp_path) == [
        "deep/b.html leads to c.html, which is not there",
        "index.html loads https://cdn.example/x.js from elsewhere",
        "index.html loads //fonts.example/f.css from elsewhere",
    ]


# references


def test_the_api_reference_has_the_public_packages_and_names() -> None:
    import usrda_plugin

    assert set(reference.public_names(ROOT)) | {"__version__", "register"} == set(usrda_plugin.__all__)
    front = reference.front_page(ROOT)
    assert all(f".{name}\n" in front for name in usrda_plugin.__all__ if name != "__version__")
    for package in reference.PACKAGES:
        assert re.search(r"^__all__ = ", (ROOT / f"usrda_plugin/{package}/__init__.py").read_text(), re.MULTILINE)


# commands


def commands(page: str) -> list[list[str]]:
    """The words of each line of code that begins with a program, and of each such code in a table."""
    code = re.findall(
        r"^    (\w.*)$|^\| `((?:usrda|basicsr|make) [^`]+)`|\| `((?:usrda|basicsr) [^`]+)` \|$", text(page), re.M
    )
    lines = [line for found in code for line in found if line]
    return [shlex.split(line.split(" && ")[0], comments=True) for line in lines if re.match(PROGRAMS, line)]


def mentioned(page: str) -> list[list[str]]:
    """The words of each command in running text."""
    return [shlex.split(code) for code in re.findall(r"`((?:usrda|basicsr) [a-z][^`\n]*)`", text(page))]


def parser_of(words: list[str]) -> argparse.ArgumentParser:
    """The parser of the sub-command that these words begin with."""
    parser = {"usrda": usrda, "basicsr": basicsr}[words[0]].build_parser()
    for word in words[1:]:
        groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if not groups or word.startswith("-"):
            break
        assert word in groups[0].choices, f"no such command: {' '.join(words)}"
        parser = groups[0].choices[word]
    return parser


@pytest.mark.parametrize("page", [*NEW, "data.md"])
def test_commands_are_ones_that_the_programs_take(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in commands(page):
        if words[0] in ("usrda", "basicsr"):
            program = {"usrda": usrda, "basicsr": basicsr}[words[0]]
            try:
                chosen = program.build_parser().parse_args(words[1:])
            except SystemExit:
                pytest.fail(f"{' '.join(words)}: {capsys.readouterr().err}")
            named = getattr(chosen, "opt", None) or ""
            assert not named.startswith("options/") or (ROOT / named).is_file(), words
        elif words[0] == "make":
            assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), words
        elif words[0] == "python":
            script = ROOT / words[1]
            flags = {word for word in words[2:] if word.startswith("--")}
            assert flags <= set(re.findall(r"\"(--[\w-]+)\"", script.read_text())), words


@pytest.mark.parametrize("page", NEW)
def test_commands_in_running_text_are_there_with_their_flags(page: str) -> None:
    for words in mentioned(page):
        known = {flag for action in parser_of(words)._actions for flag in action.option_strings}
        assert {word for word in words if word.startswith("-")} <= known, words


@pytest.mark.parametrize("page", NEW)
def test_option_files_that_a_page_speaks_of_are_there(page: str) -> None:
    for name in re.findall(r"`(?:options/)?((?:train|test)_\w+\.yml)`", text(page)):
        assert (ROOT / "options" / name).is_file(), name


# the build


def test_what_builds_the_site_is_pinned() -> None:
    asked = re.search(r'"docs": \[(.*?)\],?\n', (ROOT / "setup.py").read_text())[1]
    pinned = re.findall(r"^([\w-]+)==", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert set(re.findall(r'"([a-z-]+)', asked)) <= set(pinned)


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_without_importing_what_it_documents(tmp_path: Path) -> None:
    for needed in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(needed)
    for forbidden in ("torch", "basicsr", "cv2"):
        (tmp_path / "shadows" / forbidden).mkdir(parents=True)
        (tmp_path / "shadows" / forbidden / "__init__.py").write_text(
            "raise RuntimeError('the site imports nothing')\n"
        )
    # an address where nobody answers: a build that fetched anything would fail
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "shadows"), "NO_MKDOCS_2_WARNING": "1"}
    environment |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    site = tmp_path / "site"
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert offline.faults(site) == []
    assert "usrda_plugin.archs.USRDANet" in (site / "api/archs.html").read_text(encoding="utf-8")
    found = json.loads((site / "search/search_index.json").read_text(encoding="utf-8"))["docs"]
    assert {entry["location"].split("#")[0] for entry in found} >= {"your_camera.html", "option_reference.html"}

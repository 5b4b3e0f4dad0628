"""Pages that stand outside docs/, and links that work on the code host and in the site.

README.md is Home, so that nothing stands twice. A link is written as the code host needs it, relative to its own file.
Here it becomes one between pages or, where it leads out of docs/, one into the repository (``repo_url``) or mere text.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

# file of the repository: page of the site
MIRRORED = {"README.md": "index.md", "CHANGELOG.md": "changelog.md", "CONTRIBUTING.md": "contributing.md"}
FILES = {page: file for file, page in MIRRORED.items()}

_CODE = r"^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)[`~]*$|^(?: {4}|\t).*?$|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)"
_TEXT = r"(?P<image>!?)\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\](?:\([^()]*\))?)*)\]"
_LINK = _TEXT + r"\((?P<target>[^()\s]+)(?P<title>\s+\"[^\"]*\")?\)"
_ATTRIBUTE = r"(?P<attribute>\b(?:src|srcset|href)=\")(?P<value>[^\"]+)(?P<end>\")"
_TOKEN = re.compile(f"{_CODE}|{_LINK}|{_ATTRIBUTE}", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that stand outside docs/."""
    from mkdocs.structure.files import File

    root = Path(config.config_file_path).parent
    for name, page in MIRRORED.items():
        files.append(File.generated(config, page, content=(root / name).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrite the links of a page."""
    return rewrite(markdown, page.file.src_uri, config.repo_url)


def rewrite(markdown: str, page: str, repository: str | None = None) -> str:
    """Rewrite the links of the page's text (``page``: its name in the site); code stays as it is."""

    def replaced(found: re.Match[str]) -> str:
        if found["attribute"]:
            return found["attribute"] + (in_site(found["value"], page, repository) or found["value"]) + found["end"]
        if found["target"] is None:
            return found[0]
        text = _inside(found["text"], replaced)
        target = in_site(found["target"], page, repository)
        return text if target is None else f"{found['image']}[{text}]({target}{found['title'] or ''})"

    return _TOKEN.sub(replaced, markdown)


def _inside(text: str, replaced: Callable[[re.Match[str]], str]) -> str:
    """The text of a link, in which a picture may stand."""
    return _TOKEN.sub(replaced, text) if "](" in text else text


def in_site(target: str, page: str, repository: str | None = None) -> str | None:
    """What a link says in the site that says ``target`` in the page's file; None where it leads nowhere.

    A target with a scheme, or within the page, stays as it is.
    """
    path, mark, fragment = target.partition("#")
    if not path or re.match(r"[a-z][a-z0-9+.-]*:", path, re.IGNORECASE):
        return target
    file = posixpath.normpath(posixpath.join(posixpath.dirname(file_of(page)), path))
    there = MIRRORED.get(file) or (file.removeprefix("docs/") if file.startswith("docs/") else None)
    if there:
        return posixpath.relpath(there, posixpath.dirname(page) or ".") + mark + fragment
    return f"{repository.rstrip('/')}/blob/main/{file}{mark}{fragment}" if repository else None


def file_of(page: str) -> str:
    """The file of the repository that a page is made of."""
    return FILES.get(page, f"docs/{page}")

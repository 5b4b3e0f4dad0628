"""What a built page loads is in the site, and each of its links leads somewhere; a fault is a warning, so an error.

Headings get the anchors that code hosts give them.
"""

from __future__ import annotations

import logging
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig

log = logging.getLogger("mkdocs.hooks.offline")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Name anchors as code hosts do."""
    config.mdx_configs.setdefault("toc", {})["slugify"] = slug
    return config


def slug(heading: str, separator: str) -> str:
    """The anchor of a heading: small letters, no punctuation, a dash for each space."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", separator)


def on_post_build(config: MkDocsConfig) -> None:
    """Warn of what the built site lacks."""
    for fault in faults(Path(config.site_dir)):
        log.warning(fault)


def faults(site: Path) -> list[str]:
    """What pages load from elsewhere, and local links and pictures that are not there."""
    found = []
    for page in sorted(site.rglob("*.html")):
        parser = _Links()
        parser.feed(page.read_text(encoding="utf-8"))
        name = page.relative_to(site)
        found += [f"{name} loads {link} from elsewhere" for link in parser.loaded if urlsplit(link).netloc]
        links = [link for link in parser.loaded + parser.linked if not urlsplit(link).scheme + urlsplit(link).netloc]
        found += [f"{name} leads to {link}, which is not there" for link in links if not _there(site, page, link)]
    return found


def _there(site: Path, page: Path, link: str) -> bool:
    path = unquote(urlsplit(link).path)
    # the page of a wrong address is shown at any depth, so its links are absolute
    return not path or ((site / path.lstrip("/")) if path.startswith("/") else (page.parent / path)).exists()


class _Links(HTMLParser):
    """What a page loads by itself, and where its links lead."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.linked: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note the addresses of a tag."""
        values = {name: value for name, value in attributes if value}
        if tag in ("script", "img", "iframe", "source", "video", "audio", "embed"):
            self.loaded += [values[name] for name in ("src", "srcset") if name in values]
        elif tag == "link" and values.get("rel") not in ("canonical", "prev", "next", "alternate"):
            self.loaded += [values["href"]] if "href" in values else []
        elif tag == "a" and "href" in values:
            self.linked.append(values["href"])

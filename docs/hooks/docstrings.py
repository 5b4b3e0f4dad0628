"""Docstrings are plain text: ``scale*h, scale*w`` is a shape, and no emphasis."""

from __future__ import annotations

import re
from typing import Any

import griffe

_TOKEN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)|\*", re.DOTALL)


class PlainStars(griffe.Extension):
    """Escape the stars of docstrings outside of code."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Escape those of an object."""
        if obj.docstring:
            obj.docstring.value = escaped(obj.docstring.value)


def escaped(text: str) -> str:
    """The text with a backslash before each star that is not within backticks."""
    return _TOKEN.sub(lambda found: "\\*" if found[0] == "*" else found[0], text)

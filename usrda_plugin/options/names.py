"""Names that become names of files and folders: of the run, of its data sets, and the suffix of saved images."""

from __future__ import annotations

import os
import re

from usrda_plugin.options.faults import Keys
from usrda_plugin.options.validation import Review

LONGEST = 100  # bytes; a file's name has up to 255, with those of images and times beside it
# what Windows keeps for devices, whatever ending follows, and what it has in no name
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_WINDOWS_ONLY = re.compile(r'[<>:"|?*]|[. ]$')


def check_names(review: Review) -> None:
    """Check that nothing is written elsewhere than below a run's folders, or cannot be written there at all."""
    _check_name(review, ("name",), "a folder below experiments/ or results/")
    for phase, _ in review.datasets():
        if phase != "train":  # no file is called by it
            _check_name(review, ("datasets", phase, "name"), "the folder of its images")
    suffix = review.at("val", "suffix")
    if isinstance(suffix, str):
        _check(review, ("val", "suffix"), suffix, _fault_of_part(suffix), "the end of an image's name")


def _check_name(review: Review, keys: Keys, what: str) -> None:
    name = review.at(*keys)
    if isinstance(name, str):
        nothing = "it is empty" if not name.strip() else ""
        is_way = f"{name} is a folder's own way to call itself or the one above" if name in (".", "..") else ""
        _check(review, keys, name, nothing or is_way or _fault_of_part(name), what)


def _check(review: Review, keys: Keys, text: str, fault: str, what: str) -> None:
    if fault:
        shown = repr(text if len(text) <= LONGEST else f"{text[:LONGEST]}...")
        review.fault(
            keys,
            f"expected a name for {what}, found {shown}: {fault}",
            f"write a plain name of {LONGEST} letters or less",
        )


def _fault_of_part(text: str) -> str:
    """What keeps a text from being part of a file's name; "" where nothing does."""
    if set(text) & set("/\\"):
        return "a slash would lead into another folder"
    if any(ord(letter) < ord(" ") or ord(letter) == 127 for letter in text):
        return "it has control characters"
    try:
        length = len(os.fsencode(text))
    except UnicodeEncodeError:
        return "it has characters that no file's name can have"
    if length > LONGEST:
        return f"it has {len(text)} characters, and {LONGEST} bytes are the most"
    if os.name == "nt" and (_DEVICES.fullmatch(text) or _WINDOWS_ONLY.search(text)):
        return "Windows has no such names"
    return ""

"""The one place that opens a file of weights or a training state: tensors, numbers and text, never code."""

from __future__ import annotations

import json
import pickle
import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from errno import EACCES, ENAMETOOLONG
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any, Literal

import torch
from safetensors import safe_open

from usrda_plugin.weights.formats import Foreign, sniff
from usrda_plugin.weights.limits import excess_of_memory, excess_of_names, look_at_tensors, look_into_zip
from usrda_plugin.weights.wording import shown

NETWORK = "network"
"""Key of a file under which its network's type and arguments stand, so that the file alone says how to build it."""

EXPECTED = "a file of torch.save or safetensors"
SAVE_AGAIN = "save the state dict alone: torch.save({'params': network.state_dict()}, file)"
TRUSTED = f"where you trust the file, {SAVE_AGAIN}, or give one saved by torch.save"
# what torch says of a pickle that wants more than tensors
_OF_CODE = ("Can only create", "Can only build", "Trying to call reduce")

Kind = Literal["code", "other", "damaged", "unnamed"]


class UnreadableFileError(ValueError):
    """A file that is there and does not give tensors by name.

    ``kind``: it holds code or objects, is another kind of file, is cut off or damaged, or holds no names; ``found`` and
    ``remedy`` say it in words.
    """

    def __init__(self, file: Path, kind: Kind, found: str, remedy: str, expected: str = EXPECTED) -> None:
        super().__init__(f"{shown_path(file)}: expected {expected}, found {found}; {remedy}")
        self.kind, self.found, self.remedy = kind, found, remedy


def shown_path(file: str | Path) -> str:
    """A path in a message."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in str(file))


def read_tensors(file: str | Path, *, mapped: bool = False) -> dict[str, Any]:
    """What a file of torch.save or safetensors holds, by name, on the CPU; its name does not matter, its content does.

    ``mapped`` leaves tensors on the disk till used, where they lie there as they are. What the metadata of safetensors
    say of the network stands below "network", as in other files. Raises FileNotFoundError where there is no such file,
    UnreadableFileError (a ValueError) for what is in it.
    """
    path = find_file(file)
    try:
        form, size = sniff(path), path.stat().st_size
    except OSError as error:
        found = f"one that cannot be read ({error.strerror})"
        raise UnreadableFileError(
            path, "other", found, "see that you may read it, and that the disk is sound"
        ) from None
    if isinstance(form, Foreign):
        raise UnreadableFileError(path, "other" if size else "damaged", *form)
    excess = excess_of_memory(size) if form != "zip" else None  # a zip file says itself how much it needs
    if excess is not None:
        raise UnreadableFileError(path, "other", *excess)
    content = _read_safetensors(path) if form == "safetensors" else _read_torch(path, mapped)
    if not isinstance(content, dict):
        found = f"something else (a {type(content).__name__})"
        raise UnreadableFileError(path, "unnamed", found, SAVE_AGAIN, "tensors by name")
    refusal = look_at_tensors(content)
    if refusal is not None:
        raise UnreadableFileError(path, "other", *refusal)
    return content


def find_file(file: str | Path) -> Path:
    """The path of a file that can be read. Raises FileNotFoundError, which says what is there instead."""
    path = Path(file)
    with suppress(RuntimeError):  # a home of nobody's
        path = path.expanduser()
    what = _instead_of_a_file(path)
    if what:
        raise FileNotFoundError(f"{shown_path(path)}: expected a file of weights or a training state, found {what}")
    return path


def _instead_of_a_file(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        reason = error.errno if isinstance(error, OSError) else None
        if reason == ENAMETOOLONG:
            return "a name that is too long"
        if reason == EACCES:
            return "a folder that may not be entered"
        return "a link to a file that is not there" if path.is_symlink() else "no such file"
    return "" if S_ISREG(mode) else "a folder" if S_ISDIR(mode) else "a pipe, a socket or a device"


def _read_torch(path: Path, mapped: bool) -> Any:
    try:
        return _load(path, mapped)
    except UnreadableFileError:
        raise
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        if wanted or any(words in str(error) for words in _OF_CODE):
            what = shown(wanted[1]) if wanted else "objects"
            found = f"other pickled objects ({what}), which could run code and are not loaded"
            expected = "tensors, numbers and containers of these"
            raise UnreadableFileError(path, "code", found, TRUSTED, expected) from None
        found = "a pickle that torch.save has not written, which could run code and is not loaded"
        raise UnreadableFileError(path, "other", found, TRUSTED) from None
    except Exception as error:  # of a damaged file any part can be the first that makes no sense
        raise _damaged(path, error) from None


def _damaged(path: Path, error: Exception) -> UnreadableFileError:
    reason = shown(next(iter(str(error).splitlines()), "") or type(error).__name__)
    return UnreadableFileError(path, "damaged", f"a damaged or other file ({reason})", "get or make it again")


def _load(path: Path, mapped: bool) -> Any:
    if sniff(path) == "zip":
        refusal, mapped = look_into_zip(path, mapped=mapped)
        if refusal is not None:
            raise UnreadableFileError(path, "other", *refusal)
    else:
        mapped = False  # the format before PyTorch 1.6 cannot be
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a pickle's protocol; what cannot be read is told as an error
        if path.suffix != ".safetensors":
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        with path.open("rb") as opened:  # of a file without a name torch looks at the content too
            return torch.load(opened, map_location="cpu", weights_only=True)


def _read_safetensors(path: Path) -> Mapping[str, Any]:
    try:
        with safe_open(path, framework="pt") as opened:
            refusal = excess_of_names(len(opened.keys()))
            if refusal is not None:
                raise UnreadableFileError(path, "other", *refusal)
            content: dict[str, Any] = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  (no dict)
            described = (opened.metadata() or {}).get(NETWORK)
    except UnreadableFileError:
        raise
    except Exception as error:
        raise _damaged(path, error) from None
    if described is not None:
        content[NETWORK] = _parse(path, described)
    return content


def _parse(path: Path, described: str) -> Any:
    try:
        return json.loads(described)
    except (ValueError, RecursionError) as error:
        found = f"'{shown(described)}' ({shown(str(error))})"
        raise UnreadableFileError(
            path, "damaged", found, "save it again without that entry", f"JSON in the metadata '{NETWORK}'"
        ) from None

"""The one place that opens a file of weights or a training state: tensors, numbers and text, never code."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import warnings
from contextlib import suppress
from errno import EACCES, ENAMETOOLONG
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Any

import torch
from safetensors import safe_open

from usrda_plugin.weights.limits import (
    Format,
    RefusedError,
    check_memory,
    check_number,
    check_tensors,
    check_zip,
    sniff,
)
from usrda_plugin.weights.messages import shown, shown_path

NETWORK = "network"
"""Key of a file under which its network's type and arguments stand, so that the file alone says how to build it."""

SAVE_AGAIN = "save the state dict alone: torch.save({'params': network.state_dict()}, file)"
TRUSTED = f"where you trust the file, {SAVE_AGAIN}, or give one saved by torch.save"
BLOCK = 2**20  # bytes that are read at a time
# what torch says of a pickle that wants more than tensors
_OF_CODE = ("Can only create", "Can only build", "Trying to call reduce")


class UnreadableFileError(ValueError):
    """A file that is there and does not give tensors by name; ``kind``, ``found`` and ``remedy`` as of RefusedError."""

    def __init__(self, file: Path, refused: RefusedError) -> None:
        super().__init__(f"{shown_path(file)}: {refused}")
        self.kind, self.found, self.remedy = refused.kind, refused.found, refused.remedy


def read_tensors(file: str | Path, *, mapped: bool = False) -> dict[str, Any]:
    """What a file of torch.save or safetensors holds, by name, on the CPU; its name does not matter, its content does.

    ``mapped`` leaves tensors on the disk till used, where they lie there as they are. What the metadata of safetensors
    say of the network stands below "network", as in other files. Raises FileNotFoundError where there is no such file,
    UnreadableFileError (a ValueError) for what is in it.
    """
    path = find_file(file)
    try:
        content = _read(path, mapped=mapped)
        check_tensors(content)
    except RefusedError as refused:
        raise UnreadableFileError(path, refused) from None
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


def _read(path: Path, *, mapped: bool) -> dict[str, Any]:
    try:
        form, size = sniff(path), path.stat().st_size
    except OSError as error:
        remedy = "see that you may read it, and that the disk is sound"
        raise RefusedError(f"one that cannot be read ({error.strerror})", remedy) from None
    if form != "zip":  # which says itself how much it needs
        check_memory(size)
    try:
        content = _read_safetensors(path) if form == "safetensors" else _read_torch(path, form, mapped)
    except RefusedError:
        raise
    except pickle.UnpicklingError as error:
        raise _unsafe(error) from None
    except Exception as error:  # of a damaged file any part can be the first that makes no sense
        reason = shown(next(iter(str(error).splitlines()), "") or type(error).__name__)
        raise RefusedError(f"a damaged or other file ({reason})", "get or make it again", "damaged") from None
    if not isinstance(content, dict):
        found = f"something else (a {type(content).__name__})"
        raise RefusedError(found, SAVE_AGAIN, "unnamed", "tensors by name")
    return content


def _read_torch(path: Path, form: Format, mapped: bool) -> Any:
    mapped = form == "zip" and check_zip(path, mapped=mapped)  # the format before PyTorch 1.6 cannot be mapped
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a pickle's protocol; what cannot be read is an error
        if path.suffix != ".safetensors":
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        with path.open("rb") as opened:  # of a file without a name torch looks at the content too
            return torch.load(opened, map_location="cpu", weights_only=True)


def _unsafe(error: pickle.UnpicklingError) -> RefusedError:
    wanted = re.search(r"GLOBAL (\S+)", str(error))
    if wanted or any(words in str(error) for words in _OF_CODE):
        what = shown(wanted[1]) if wanted else "objects"
        found = f"other pickled objects ({what}), which could run code and are not loaded"
        return RefusedError(found, TRUSTED, "code", "tensors, numbers and containers of these")
    return RefusedError("a pickle that torch.save has not written, which could run code and is not loaded", TRUSTED)


def _read_safetensors(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as opened:
        names = list(opened.keys())
        check_number(len(names))
        content: dict[str, Any] = {name: opened.get_tensor(name) for name in names}
        described = (opened.metadata() or {}).get(NETWORK)
    if described is not None:
        content[NETWORK] = _parse(described)
    return content


def _parse(described: str) -> Any:
    try:
        return json.loads(described)
    except (ValueError, RecursionError) as error:
        found = f"'{shown(described)}' ({shown(str(error))})"
        remedy = "save it again without that entry"
        raise RefusedError(found, remedy, "damaged", f"JSON in the metadata '{NETWORK}'") from None


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal. Raises OSError."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()

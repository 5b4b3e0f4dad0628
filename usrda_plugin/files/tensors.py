"""The one place that opens what ``torch.save`` has written: tensors, numbers, text and containers of these, no code."""

from __future__ import annotations

import pickle
import re
import warnings
from pathlib import Path
from typing import Any, Literal

import torch

# a file that has one of the two serves where the other is asked for, as BasicSR has it
USUAL_KEYS = ("params", "params_ema")
SAVE_AGAIN = "save the state dict alone: torch.save({'params': network.state_dict()}, file)"
# what torch says of a pickle that wants more than tensors
_OF_CODE = ("Can only create", "Can only build", "Trying to call reduce")

Kind = Literal["code", "other", "damaged", "unnamed"]
_SAID: dict[Kind, tuple[str, str, str]] = {
    "code": (
        "tensors, numbers and containers of these",
        "other pickled objects, which could run code and are not loaded",
        f"where you trust the file, {SAVE_AGAIN}",
    ),
    "other": ("a file of torch.save", "something else", "give a file that torch.save has written"),
    "damaged": ("a file of torch.save", "a damaged or other file", "get or make it again"),
    "unnamed": ("tensors by name", "something else", SAVE_AGAIN),
}


class UnreadableFileError(ValueError):
    """A file that is there and does not give tensors by name.

    ``kind``: it holds code or objects, is no file of torch.save, is cut off or damaged, or holds no names; ``reason``
    is the detail in a few words.
    """

    def __init__(self, file: Path, kind: Kind, reason: str) -> None:
        expected, found, remedy = _SAID[kind]
        super().__init__(f"{file}: expected {expected}, found {found} ({reason}); {remedy}")
        self.kind, self.reason = kind, reason


def read_tensors(file: str | Path, *, mapped: bool = False) -> dict[str, Any]:
    """What a ``.pth`` or ``.state`` file holds, by name, on the CPU; ``mapped`` leaves tensors on the disk till used.

    Raises FileNotFoundError where there is no such file, UnreadableFileError (a ValueError) for what is in it.
    """
    path = Path(file)
    if not path.is_file():
        what = "a folder" if path.is_dir() else "no such file"
        raise FileNotFoundError(f"{path}: expected a file of weights or a training state, found {what}")
    try:
        content = _load(path, mapped)
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL (\S+)", str(error))
        if wanted or any(words in str(error) for words in _OF_CODE):
            raise UnreadableFileError(path, "code", wanted[1] if wanted else "objects") from None
        raise UnreadableFileError(path, "other", f"it begins with {_head(path)!r}") from None
    except Exception as error:  # of a damaged file any part can be the first that makes no sense
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise UnreadableFileError(path, "damaged", reason) from None
    if not isinstance(content, dict):
        raise UnreadableFileError(path, "unnamed", f"a {type(content).__name__}")
    return content


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(8)


def _load(path: Path, mapped: bool) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a pickle's protocol; what cannot be read is told as an error
        try:
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
        except RuntimeError as error:
            if "mmap can only be used" not in str(error):
                raise
            return torch.load(path, map_location="cpu", weights_only=True)  # the format before PyTorch 1.6

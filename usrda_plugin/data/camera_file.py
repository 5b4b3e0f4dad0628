"""The JSON in which a camera is kept: what stands in it, and what is refused. docs/camera.md has it field by field."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

FORMAT = "usrda-camera"
VERSION = 1
SIDE = 15
"""Rows and columns of a kernel."""
SUFFIX = ".json"
LARGEST = 64 * 1024
"""Bytes of which no more are read: a camera has about three thousand."""
NEAR_1 = 1e-3
"""How far from 1 the sum of a kernel may be: weights that are written by hand are rounded."""

GET_AGAIN = "get the file again, or make one: usrda camera estimate --help"
_EXPECTED = {
    "format": f'"{FORMAT}"',
    "version": f"{VERSION}",
    "about": "text",
    "scale": "a whole number from 1 to 64, or null",
    "photographs": "a whole number of 0 or more, or null",
    "source_photographs": "a whole number of 0 or more, or null",
    "noise": "a number from 0 to 1",
    "kernel": f"{SIDE} rows of {SIDE} numbers from -10 to 10",
}

Weight = Annotated[float, Field(ge=-10, le=10)]
Row = Annotated[list[Weight], Field(min_length=SIDE, max_length=SIDE)]
Count = Annotated[int, Field(ge=0)]


class CameraFileError(ValueError):
    """A file is no camera: ``message`` says what was expected and found, ``remedy`` what to do."""

    def __init__(self, message: str, remedy: str = GET_AGAIN) -> None:
        super().__init__(f"{message}; {remedy}")
        self.message, self.remedy = message, remedy


class CameraFile(BaseModel):
    """What stands in the file of a camera. ``about`` is for people, and is not read."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    format: Literal["usrda-camera"]
    version: Literal[1]
    about: str = ""
    scale: Annotated[int, Field(ge=1, le=64)] | None = None
    photographs: Count | None = None
    source_photographs: Count | None = None
    noise: Annotated[float, Field(ge=0, le=1)]
    kernel: Annotated[list[Row], Field(min_length=SIDE, max_length=SIDE)]


def written(fields: dict[str, Any], kernel: np.ndarray) -> str:
    """Write a camera as JSON: the other fields, then the kernel (15, 15) float32, each row a line, to its last bit."""
    rows = [json.dumps([float(str(weight)) for weight in row]) for row in kernel]
    head = json.dumps({"format": FORMAT, "version": VERSION, **fields}, ensure_ascii=False, indent=2)
    listed = ",\n    ".join(rows)
    return f'{head[:-2]},\n  "kernel": [\n    {listed}\n  ]\n}}\n'


def read(file: Path) -> CameraFile:
    """Read the file of a camera.

    Raises FileNotFoundError where there is none, CameraFileError where it is damaged, too large or of another version.
    """
    if not file.exists():
        raise FileNotFoundError(f"{file}: expected a camera's file, found nothing of that name; {GET_AGAIN}")
    if not file.is_file():
        raise CameraFileError(f"{file}: expected a camera's file, found a folder or a device")
    with file.open("rb") as handle:
        content = handle.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise CameraFileError(f"{file}: expected a camera of at most {LARGEST // 1024} kB, found a larger file")
    try:
        fields = CameraFile.model_validate_json(content)
    except ValidationError as error:
        raise _refusal(file, error.errors(include_url=False)) from None
    total = float(np.sum(fields.kernel))
    if abs(total - 1) > NEAR_1:
        raise CameraFileError(
            f"{file}: kernel: expected the sum 1, so that brightness stays, found {total:.4g}",
            "divide each weight by the sum, or make the camera again: usrda camera estimate --help",
        )
    return fields


def _refusal(file: Path, errors: Sequence[ErrorDetails]) -> CameraFileError:
    """The first fault, in the order of the fields."""
    fault = errors[0]
    if fault["type"] == "json_invalid":
        return CameraFileError(f"{file}: expected JSON, found other content ({fault['ctx']['error']})")
    if not fault["loc"]:
        return CameraFileError(f"{file}: expected a JSON object, found {_shown(fault['input'])}")
    key = str(fault["loc"][0])
    if fault["type"] == "extra_forbidden":
        message = f"expected one of {', '.join(_EXPECTED)}, found another key"
        return CameraFileError(f"{file}: {key}: {message}", "remove it")
    place = key + "".join(f"[{number}]" for number in fault["loc"][1:] if isinstance(number, int))
    found = "none" if fault["type"] == "missing" else _shown(fault["input"])
    message = f"{file}: {place}: expected {_EXPECTED[key]}, found {found}"
    return CameraFileError(message, "update usrda_plugin, or make the camera again" if key == "version" else GET_AGAIN)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    whole = json.dumps(value, default=repr)
    return whole if len(whole) <= 40 else f"{whole[:40]}..."

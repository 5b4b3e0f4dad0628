"""What a look at photographs has found, for people and for files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

Kind = Literal[
    "unreadable", "small", "even", "enlarged", "copy", "camera", "raw", "film", "format", "results", "source", "hidden"
]
FEW = 5
"""Photographs below which a camera is hardly told from what it has photographed."""
WHAT: dict[Kind, tuple[str, str]] = {
    "unreadable": ("cannot be read", "copy or export them again"),
    "small": ("too small", "add larger ones, or take a smaller scale"),
    "even": ("show nothing but one even area", "add photographs of things"),
    "enlarged": ("enlarged by a program already", "take them as the camera made them, without digital zoom"),
    "copy": ("copies of others", ""),
    "camera": ("by other cameras", "adapt to each camera by itself, from a folder of its own"),
    "raw": ("raw or HEIC files", "export them as JPEG or TIFF, in full size and without sharpening"),
    "film": ("films", "export some frames as PNG"),
    "format": ("files that are no photographs", ""),
    "results": ("folders of results of usrda adapt", ""),
    "source": ("the folder that --source names", ""),
    "hidden": ("hidden files and folders, and folders of thumbnails", ""),
}
"""Why photographs are left out, in words for many of them, and what to do about it."""


class Photograph(NamedTuple):
    """One that is used: ``height`` and ``width`` in pixels, upright; what EXIF says of how it was taken, or None.

    ``bytes``: the length of its file, by which it is seen whether it was changed.
    """

    path: Path
    height: int
    width: int
    camera: str | None = None
    lens: str | None = None
    iso: int | None = None
    bytes: int = 0


class LeftOut(NamedTuple):
    """One that is not used, and its reason in words."""

    path: Path
    kind: Kind
    reason: str


class Survey(NamedTuple):
    """What a folder of photographs holds, in the order of the names.

    ``cameras``: how many of those that could be used are by each camera; "" where EXIF does not say.
    """

    folder: Path
    used: list[Photograph]
    left_out: list[LeftOut]
    cameras: Counter[str]

    def sentences(self) -> list[str]:
        """Say, in plain words and a line each, what is used and what is not, and what there is to do about it."""
        lines = [f"{counted(len(self.used))} used: {self._sizes()}{self._taken()}"]
        if len(self.cameras) > 1:
            lines.append(f"cameras: {_listed(self.cameras)}")
        for kind, number in _by_kind(self.left_out).items():
            what, remedy = WHAT[kind]
            first = next(one for one in self.left_out if one.kind == kind)
            lines.append(f"left out, {what}: {number} ({self.name(first.path)}: {first.reason}){_then(remedy)}")
        if len(self.used) < FEW:
            lines.append(
                f"warning: {counted(len(self.used))} may be too few: what they show is taken for what the camera does;"
                " 20 or more of different things are better"
            )
        return lines

    def refusal(self) -> str:
        """Say why none is used, and what to do about it."""
        if not self.left_out:
            return "expected photographs, found no file; name the folder that has them"
        reasons = [
            f"{number} {WHAT[kind][0]}{_then(WHAT[kind][1])}" for kind, number in _by_kind(self.left_out).items()
        ]
        return f"expected photographs, found none that can be used: {'. '.join(reasons)}"

    def to_dict(self) -> dict[str, Any]:
        """Return what a file keeps of it: plain numbers and texts, files by their path below the folder."""
        return {
            "folder": str(self.folder),
            "used": len(self.used),
            "files": {self.name(one.path): one.bytes for one in self.used},
            "left_out": [{"file": self.name(one.path), "reason": one.reason} for one in self.left_out],
            "cameras": {
                camera or "not stated": number for camera, number in self.cameras.most_common() if any(self.cameras)
            },
        }

    def name(self, path: Path) -> str:
        """A file's path below the folder, for people."""
        return path.relative_to(self.folder).as_posix() if path.is_relative_to(self.folder) else str(path)

    def _sizes(self) -> str:
        areas = sorted((one.height * one.width, one.width, one.height) for one in self.used)
        (_, *least), (_, *most) = areas[0], areas[-1]
        both = (f"{least[0]}x{least[1]}", f"{most[0]}x{most[1]}")
        return f"{both[0]} pixels" if both[0] == both[1] else f"{both[0]} to {both[1]} pixels"

    def _taken(self) -> str:
        """Camera, lenses and sensitivities of those that are used, as far as EXIF says."""
        known = sorted({one.camera for one in self.used if one.camera})
        lenses = {one.lens for one in self.used if one.lens}
        isos = sorted({one.iso for one in self.used if one.iso})
        parts = [f"by {known[0]}"] if known else []
        parts += [f"{len(lenses)} lenses"] if len(lenses) > 1 else []
        parts += [f"ISO {isos[0]} to {isos[-1]}"] if len(isos) > 1 else []
        return "".join(f", {part}" for part in parts)


def _by_kind(left_out: Sequence[LeftOut]) -> dict[Kind, int]:
    """How many are left out for each reason, in the order of ``WHAT``."""
    number = Counter(one.kind for one in left_out)
    return {kind: number[kind] for kind in WHAT if kind in number}


def _listed(cameras: Counter[str]) -> str:
    return ", ".join(f"{number} by {camera or 'one that is not stated'}" for camera, number in cameras.most_common())


def counted(number: int, what: str = "photograph") -> str:
    """Say how many: "1 photograph", "2 photographs"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _then(remedy: str) -> str:
    return f"; {remedy}" if remedy else ""

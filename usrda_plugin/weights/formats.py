"""What a file is, by its first bytes: never by its name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, NamedTuple

HEAD = 512
# the longest header that the safetensors library reads
LONGEST_HEADER = 100_000_000
GIVE_WEIGHTS = "give the weights themselves: a .pth file saved by torch.save, or .safetensors"
UNPACK = "unpack it, and give the file of weights in it"
GET_AGAIN = "get it again: download the file itself, not the page that shows it"

Format = Literal["zip", "pickle", "safetensors"]


class Foreign(NamedTuple):
    """A kind of file that holds no weights for us: its name, and what to do."""

    found: str
    remedy: str


FOREIGN: tuple[tuple[bytes, Foreign], ...] = (
    (rb"version https://git-lfs", Foreign("a pointer of Git LFS in the place of the file", "fetch it: git lfs pull")),
    (rb"\s*(<!doctype|<html|<head|<\?xml|<!--)", Foreign("a web page (HTML)", GET_AGAIN)),
    (rb"gguf", Foreign("a GGUF file", GIVE_WEIGHTS)),
    (rb"\x08[\x01-\x14][\x12\x1a\x22\x28\x32\x3a\x42]", Foreign("an ONNX model", GIVE_WEIGHTS)),
    (rb"\x89hdf\r\n", Foreign("an HDF5 file, as Keras writes it", GIVE_WEIGHTS)),
    (rb".{4}tfl3", Foreign("a TensorFlow Lite model", GIVE_WEIGHTS)),
    (rb"7767517\s", Foreign("a model of ncnn", GIVE_WEIGHTS)),
    (rb"\x93numpy", Foreign("a NumPy array", GIVE_WEIGHTS)),
    (rb".{257}ustar", Foreign("a tar archive", UNPACK)),
    (rb"\x1f\x8b", Foreign("a gzip archive", UNPACK)),
    (rb"bzh[1-9]", Foreign("a bzip2 archive", UNPACK)),
    (rb"\xfd7zxz", Foreign("an xz archive", UNPACK)),
    (rb"7z\xbc\xaf\x27\x1c", Foreign("a 7z archive", UNPACK)),
    (rb"rar!\x1a", Foreign("a RAR archive", UNPACK)),
    (rb"\x28\xb5\x2f\xfd", Foreign("a zstd archive", UNPACK)),
    (rb"\x89png\r\n|\xff\xd8\xff|gif8|ii\*\x00|mm\x00\*|riff.{4}webp", Foreign("a picture", GIVE_WEIGHTS)),
    (rb"\s*\{.*\"weight_map\"", Foreign("the index of a network in several files", GIVE_WEIGHTS)),
)  # fmt: skip


def sniff(file: Path) -> Format | Foreign:
    """The format of a file that may hold weights, or what else it is."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        head = opened.read(HEAD)
    if not head:
        return Foreign("an empty file", "get or make it again")
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    # before the first tensor's bytes stands the length of a header of JSON, padded by blanks
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= max(LONGEST_HEADER, size):
        return "safetensors"
    known = (foreign for pattern, foreign in FOREIGN if re.match(pattern, head, re.IGNORECASE | re.DOTALL))
    foreign = next(known, None)
    if foreign is not None:
        return foreign
    if head[:1] == b"\x80":
        return "pickle"
    return Foreign(f"something else (it begins with {head[:8]!r})", GIVE_WEIGHTS)

"""What a file is and what it asks for, before it is opened, and its tensors, before they are used."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import torch
from torch import Tensor

from usrda_plugin.weights.messages import Refusal, quoted, shown

Format = Literal["zip", "pickle", "safetensors"]
Fault = Literal["code", "other", "damaged", "unnamed"]

EXPECTED = "a file of torch.save or safetensors"
HEAD = 512
# the longest header that the safetensors library reads
LONGEST_HEADER = 100_000_000
GIVE_WEIGHTS = "give the weights themselves: a .pth file saved by torch.save, or .safetensors"
UNPACK = "unpack it, and give the file of weights in it"
GET_AGAIN = "get it again: download the file itself, not the page that shows it"
# packed weights are hardly smaller than weights
MOST_UNPACKING = 20
# below this nothing is refused for its size
SMALL = 2**26
# of the list of contents, to which each tensor adds some hundred bytes: it is read a byte at a time
INDEX, INDEX_OF_TENSOR = 2**22, 2**10
MOST_TENSORS = 2**15
GIB = 2**30
# how files begin that hold no weights
OTHER_FILES: tuple[tuple[bytes, Refusal], ...] = (
    (rb"version https://git-lfs", Refusal("a pointer of Git LFS in the place of the file", "fetch it: git lfs pull")),
    (rb"\s*(<!doctype|<html|<head|<\?xml|<!--)", Refusal("a web page (HTML)", GET_AGAIN)),
    (rb"gguf", Refusal("a GGUF file", GIVE_WEIGHTS)),
    (rb"\x08[\x01-\x14][\x12\x1a\x22\x28\x32\x3a\x42]", Refusal("an ONNX model", GIVE_WEIGHTS)),
    (rb"\x89hdf\r\n", Refusal("an HDF5 file, as Keras writes it", GIVE_WEIGHTS)),
    (rb".{4}tfl3", Refusal("a TensorFlow Lite model", GIVE_WEIGHTS)),
    (rb"7767517\s", Refusal("a model of ncnn", GIVE_WEIGHTS)),
    (rb"\x93numpy", Refusal("a NumPy array", GIVE_WEIGHTS)),
    (rb".{257}ustar", Refusal("a tar archive", UNPACK)),
    (rb"\x1f\x8b", Refusal("a gzip archive", UNPACK)),
    (rb"bzh[1-9]", Refusal("a bzip2 archive", UNPACK)),
    (rb"\xfd7zxz", Refusal("an xz archive", UNPACK)),
    (rb"7z\xbc\xaf\x27\x1c", Refusal("a 7z archive", UNPACK)),
    (rb"rar!\x1a", Refusal("a RAR archive", UNPACK)),
    (rb"\x28\xb5\x2f\xfd", Refusal("a zstd archive", UNPACK)),
    (rb"\x89png\r\n|\xff\xd8\xff|gif8|ii\*\x00|mm\x00\*|riff.{4}webp", Refusal("a picture", GIVE_WEIGHTS)),
    (rb"\s*\{.*\"weight_map\"", Refusal("the index of a network in several files", GIVE_WEIGHTS)),
)  # fmt: skip


class RefusedError(ValueError):
    """Why a file is not read; who knows its path says it to the user.

    ``kind``: it holds code or objects, is another kind of file, is cut off or damaged, or holds no names.
    """

    def __init__(self, found: str, remedy: str, kind: Fault = "other", expected: str = EXPECTED) -> None:
        super().__init__(f"expected {expected}, found {found}; {remedy}")
        self.found, self.remedy, self.kind = found, remedy, kind


def sniff(file: Path) -> Format:
    """The format of a file that may hold weights, by its first bytes alone. Raises RefusedError, OSError."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        head = opened.read(HEAD)
    if not head:
        raise RefusedError("an empty file", "get or make it again", "damaged")
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return "zip"
    # before the first tensor's bytes stands the length of a header of JSON, padded by blanks
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= max(LONGEST_HEADER, size):
        return "safetensors"
    for pattern, refusal in OTHER_FILES:
        if re.match(pattern, head, re.IGNORECASE | re.DOTALL):
            raise RefusedError(*refusal)
    if head[:1] == b"\x80":
        return "pickle"
    raise RefusedError(f"something else (it begins with {head[:8]!r})", GIVE_WEIGHTS)


def free_memory() -> int | None:
    """Bytes of memory that are free or can be made so; None where the system does not say."""
    with suppress(OSError, LookupError, ValueError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                return int(value.split()[0]) * 1024
    return None


def check_memory(needed: int) -> None:
    """Raise RefusedError where so many bytes cannot be read into memory."""
    free = free_memory()
    if free is not None and needed > max(free, SMALL):
        found = f"one that needs {needed / GIB:.1f} GiB of memory, where {free / GIB:.1f} GiB are free"
        raise RefusedError(found, "free memory, or use a machine with more")


def check_number(count: int) -> None:
    """Raise RefusedError where so many tensors are no network's."""
    if count > MOST_TENSORS:
        raise RefusedError(f"{count:,} tensors", "no network for images has so many: do not trust the file")


def check_zip(file: Path, *, mapped: bool) -> bool:
    """Whether the tensors of a zip file can be mapped, as wanted. Raises RefusedError for what torch.save has not made.

    What it unpacks to, and its list of contents, must not be much larger than what it holds.
    """
    with ZipFile(file) as archive:
        entries = archive.infolist()
    _check_kind(entries)
    unpacked, size = sum(entry.file_size for entry in entries), file.stat().st_size
    if unpacked > max(SMALL, MOST_UNPACKING * size):
        found = f"{size:,} bytes that would unpack to {unpacked / GIB:.1f} GiB"
        raise RefusedError(found, "no weights shrink so: do not trust the file, and get it from its maker")
    index = sum(entry.file_size for entry in entries if entry.filename.endswith("data.pkl"))
    if index > INDEX + INDEX_OF_TENSOR * len(entries):
        found = f"a list of contents of {index:,} bytes for {len(entries):,} entries"
        raise RefusedError(found, "no weights need one: do not trust the file")
    # what is compressed does not lie on the disk as it is; torch would take the packed bytes for numbers
    mapped = mapped and all(entry.compress_type == ZIP_STORED for entry in entries)
    check_memory(0 if mapped else unpacked)
    return mapped


def _check_kind(entries: list[ZipInfo]) -> None:
    names = [entry.filename for entry in entries if not entry.is_dir()]
    insides = {name.partition("/")[2] for name in names}
    if "constants.pkl" in insides or any(inside.startswith(("code/", "models/")) for inside in insides):
        remedy = "a program of TorchScript is not run; give the state dict that it was made from"
        raise RefusedError("a TorchScript archive or an exported program, which holds code", remedy)
    if any(entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED) for entry in entries):
        raise RefusedError("a zip archive packed as PyTorch cannot read it", "pack it again, by deflate or not at all")
    if "data.pkl" in insides:
        return
    if not names:
        raise RefusedError("an empty zip archive", UNPACK)
    if all(name.endswith(".npy") for name in names):
        raise RefusedError("arrays of NumPy", GIVE_WEIGHTS)
    raise RefusedError(f"a zip archive of {quoted(names, 3)}", UNPACK)


def check_tensors(content: Mapping[str, Any]) -> None:
    """Raise RefusedError where the tensors in a file cannot be used.

    Each must lie in memory as usual, and together they must not be much larger than what the file holds.
    """
    declared, storages = 0, {}
    for name, tensor in tensors_in(content):
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta or tensor.is_nested:
            kind = "quantised" if tensor.is_quantized else "meta" if tensor.is_meta else "sparse or nested"
            remedy = "save them as usual, dense ones: tensor.to_dense() or .dequantize()"
            raise RefusedError(f"a {kind} tensor ({shown(name)})", remedy)
        declared += tensor.numel() * tensor.element_size()
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
    held = sum(storages.values())
    if declared > SMALL + 2 * held:
        found = f"tensors of {declared / GIB:.1f} GiB made out of {held:,} bytes"
        raise RefusedError(found, "save them as they are used: tensor.clone(); do not trust the file of a stranger")


def tensors_in(content: Any) -> Iterator[tuple[object, Tensor]]:
    """Every tensor of nested containers with the key that it has in its own; a container that is met again, once."""
    seen, waiting = set(), [content]
    while waiting:
        container = waiting.pop()
        if id(container) in seen:
            continue
        seen.add(id(container))
        pairs = container.items() if isinstance(container, Mapping) else enumerate(container)
        for key, value in pairs:
            if isinstance(value, Tensor):
                yield key, value
            elif isinstance(value, Mapping | list | tuple | set):
                waiting.append(value)

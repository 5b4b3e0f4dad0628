"""What a file may ask for before it is opened, and its tensors before they are used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import torch
from torch import Tensor

from usrda_plugin.weights.formats import GIVE_WEIGHTS, UNPACK, Foreign
from usrda_plugin.weights.wording import quoted, shown

# packed weights are hardly smaller than weights
MOST_UNPACKING = 20
# below this nothing is refused for its size
SMALL = 2**26
# of the list of contents, to which each tensor adds some hundred bytes: it is read a byte at a time
INDEX, INDEX_OF_TENSOR = 2**22, 2**10
MOST_TENSORS = 2**15
GIB = 2**30


def free_memory() -> int | None:
    """Bytes of memory that are free or can be made so; None where the system does not say."""
    with suppress(OSError, LookupError, ValueError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                return int(value.split()[0]) * 1024
    return None


def excess_of_memory(needed: int) -> Foreign | None:
    """Why so many bytes cannot be read into memory; None where they can."""
    free = free_memory()
    if needed <= SMALL or free is None or needed <= free:
        return None
    found = f"one that needs {needed / GIB:.1f} GiB of memory, where {free / GIB:.1f} GiB are free"
    return Foreign(found, "free memory, or use a machine with more")


def excess_of_names(count: int) -> Foreign | None:
    """Why so many tensors are no network's; None where they may be."""
    if count <= MOST_TENSORS:
        return None
    return Foreign(f"{count:,} tensors", "no network for images has so many: do not trust the file")


def look_into_zip(file: Path, *, mapped: bool) -> tuple[Foreign | None, bool]:
    """Why a zip file is no file of torch.save that can be read, and whether its tensors can be mapped, as wanted."""
    with ZipFile(file) as archive:
        entries = archive.infolist()
    # what is compressed does not lie on the disk as it is; torch would take the packed bytes for numbers
    mapped = mapped and all(entry.compress_type == ZIP_STORED for entry in entries)
    refusal = _other_archive(entries) or _too_large(entries, file.stat().st_size)
    needed = 0 if mapped else sum(entry.file_size for entry in entries)
    return refusal or excess_of_memory(needed), mapped


def _other_archive(entries: list[ZipInfo]) -> Foreign | None:
    names = [entry.filename for entry in entries if not entry.is_dir()]
    insides = {name.partition("/")[2] for name in names}
    if "constants.pkl" in insides or any(inside.startswith(("code/", "models/")) for inside in insides):
        remedy = "a program of TorchScript is not run; give the state dict that it was made from"
        return Foreign("a TorchScript archive or an exported program, which holds code", remedy)
    if any(entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED) for entry in entries):
        return Foreign("a zip archive packed as PyTorch cannot read it", "pack it again, by deflate or not at all")
    if "data.pkl" in insides:
        return None
    if not names:
        return Foreign("an empty zip archive", UNPACK)
    if all(name.endswith(".npy") for name in names):
        return Foreign("arrays of NumPy", GIVE_WEIGHTS)
    return Foreign(f"a zip archive of {quoted(names, 3)}", UNPACK)


def _too_large(entries: list[ZipInfo], size: int) -> Foreign | None:
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > SMALL and unpacked > MOST_UNPACKING * size:
        found = f"{size:,} bytes that would unpack to {unpacked / GIB:.1f} GiB"
        return Foreign(found, "no weights shrink so: do not trust the file, and get it from its maker")
    index = sum(entry.file_size for entry in entries if entry.filename.endswith("data.pkl"))
    if index > INDEX + INDEX_OF_TENSOR * len(entries):
        found = f"a list of contents of {index:,} bytes for {len(entries):,} entries"
        return Foreign(found, "no weights need one: do not trust the file")
    return None


def look_at_tensors(content: Mapping[str, Any]) -> Foreign | None:
    """Why the tensors in a file cannot be used; None where they can.

    Each must lie in memory as usual, and together they must not be much larger than what the file holds.
    """
    declared, storages = 0, {}
    for name, tensor in tensors_in(content):
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta or tensor.is_nested:
            kind = "quantised" if tensor.is_quantized else "meta" if tensor.is_meta else "sparse or nested"
            remedy = "save them as usual, dense ones: tensor.to_dense() or .dequantize()"
            return Foreign(f"a {kind} tensor ({shown(name)})", remedy)
        declared += tensor.numel() * tensor.element_size()
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
    held = sum(storages.values())
    if declared > SMALL + 2 * held:
        found = f"tensors of {declared / GIB:.1f} GiB made out of {held:,} bytes"
        return Foreign(found, "save them as they are used: tensor.clone(); do not trust the file of a stranger")
    return None


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

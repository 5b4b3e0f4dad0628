"""Checksums beside an LMDB's images: uncompressed ones have none of their own, so a flipped bit would go unseen.

``checksums.txt`` has a line ``key crc32`` for each entry and one for ``meta_info.txt``, which no key can be called,
since keys have no dots. BasicSR does not look at it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from pathlib import Path

FILE = "checksums.txt"
LISTING = "meta_info.txt"
_LINE = re.compile(r"(?P<key>\S+) (?P<sum>[0-9a-f]{8})")


def checksum(content: bytes | memoryview) -> int:
    """Return the CRC-32 of an entry: whatever bits have flipped within 32 in a row, it is another one."""
    return zlib.crc32(content)


def write_checksums(folder: Path, sums: Mapping[str, int]) -> None:
    """Write the sums of all entries and of the list, which must be there."""
    sums = {LISTING: checksum((folder / LISTING).read_bytes()), **sums}
    (folder / FILE).write_text("".join(f"{key} {crc:08x}\n" for key, crc in sums.items()), encoding="ascii")


def read_checksums(folder: Path) -> tuple[dict[str, int], list[str]] | None:
    """Read the sums by their keys, and the faults of the file; None where there is none, as BasicSR writes none."""
    file = folder / FILE
    if not file.is_file():
        return None
    sums: dict[str, int] = {}
    faults: list[str] = []
    text = file.read_bytes().decode("ascii", errors="backslashreplace")
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        found = _LINE.fullmatch(line)
        if found is None:
            faults.append(f"{FILE}: expected `key checksum` in line {number}, found {line!r}")
        else:
            sums[found["key"]] = int(found["sum"], 16)
    return sums, faults

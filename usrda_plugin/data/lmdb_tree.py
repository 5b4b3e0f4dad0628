"""The pages of an LMDB's ``data.mdb``, looked at before LMDB itself does: damage there would kill the process.

LMDB trusts its file. The layout is that of ``mdb.c`` 0.9, data version 1, on 64-bit little-endian machines: two meta
pages, then a B+ tree of branch and leaf pages; a long value has overflow pages of its own.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MAGIC, VERSION = 0xBEEFC0DE, 1
_PAGE_HEADER = struct.Struct("<QHHHH")  # number, padding, flags, lower and upper end of the free space
_META = struct.Struct("<IIQQ48sI HHQQQQQ QQ".replace(" ", ""))
_NODE = struct.Struct("<HHHH")  # low, high, flags, length of the key
_BRANCH, _LEAF, _OVERFLOW, _META_PAGE = 1, 2, 4, 8
_BIG, _DEEPEST = 1, 32
LONGEST_KEY = 511
"""Bytes that a key may have."""


class Meta(NamedTuple):
    """What the newest meta page says: bytes in a page, root of the tree, last page, entries, and of which writing."""

    page_size: int
    root: int
    last_page: int
    entries: int
    transaction: int


def read_meta(file: Path) -> Meta:
    """Read both meta pages. Raises ValueError for what is no LMDB, of another version, or cut off."""
    length = file.stat().st_size
    with file.open("rb") as data:
        first = _meta(data.read(_PAGE_HEADER.size + _META.size))
        data.seek(first.page_size)
        second = _meta(data.read(_PAGE_HEADER.size + _META.size))
    newest = max(first, second, key=lambda meta: meta.transaction)
    needed = (newest.last_page + 1) * newest.page_size
    if length < needed:  # reading past the end of a memory-mapped file kills the process
        raise ValueError(f"it is cut off: data.mdb has {length} bytes of {needed}")
    return newest


def tree_faults(file: Path) -> list[str]:
    """Describe each damaged page of the tree of entries; none means that LMDB can walk it. Raises as ``read_meta``."""
    meta = read_meta(file)
    if meta.root == 2**64 - 1:
        return []  # nothing is stored
    with file.open("rb") as data, mmap.mmap(data.fileno(), 0, access=mmap.ACCESS_READ) as content:
        tree = _Tree(content, meta)
        faults = list(tree.faults_below(meta.root, b"", None, 1))
    if not faults and tree.entries != meta.entries:
        faults = [f"{tree.entries} entries are stored, but data.mdb says {meta.entries}"]
    return faults


def _meta(content: bytes) -> Meta:
    if len(content) < _PAGE_HEADER.size + _META.size:
        raise ValueError("it is cut off within its first pages")
    flags = _PAGE_HEADER.unpack_from(content)[2]
    magic, version, _, _, _, _, _, _, _, _, _, entries, root, last, transaction = _META.unpack_from(
        content, _PAGE_HEADER.size
    )
    size = int.from_bytes(content[_PAGE_HEADER.size + 24 : _PAGE_HEADER.size + 28], "little")
    if magic != MAGIC or not flags & _META_PAGE:
        raise ValueError("data.mdb does not begin as an LMDB's: it is another file, or damaged")
    if version != VERSION:
        raise ValueError(f"it was written by another version of LMDB: expected data version {VERSION}, found {version}")
    if not 256 <= size <= 2**16 or size & (size - 1):
        raise ValueError(f"its first page is damaged: a page cannot have {size} bytes")
    return Meta(size, root, last, entries, transaction)


class _Tree:
    """Walks the pages; ``entries`` counts those seen."""

    def __init__(self, content: mmap.mmap, meta: Meta) -> None:
        self.content, self.size, self.last = content, meta.page_size, meta.last_page
        self.entries = 0
        self.first_pages: set[int] = set()

    def faults_below(self, number: int, least: bytes, beyond: bytes | None, depth: int) -> Iterator[str]:
        """Describe the faults of a page whose keys must be ``least`` or more, and before ``beyond``, and below it."""
        try:
            flags, nodes = self._page(number, depth)
            keys = [self._key(number, node) for node in nodes]
            first = 1 if flags & _BRANCH else 0  # the first key of a branch is not looked at
            ends = [least, *keys[first:]]
            if ends != sorted(ends) or len(set(keys[first:])) < len(keys) - first or (beyond and ends[-1] >= beyond):
                raise ValueError("its keys are not in order")
            if flags & _LEAF:
                self.entries += len(keys)
                for key, node in zip(keys, nodes, strict=True):
                    self._check_value(number, node, key)
                return
        except (ValueError, struct.error) as error:
            yield f"page {number} of data.mdb is damaged: {error}"
            return
        lower = [least, *keys[1:]]
        for place, low, high in zip(nodes, lower, [*lower[1:], beyond], strict=True):
            yield from self.faults_below(self._child(number, place), low, high, depth + 1)

    def _page(self, number: int, depth: int) -> tuple[int, list[int]]:
        """The kind of a page of the tree and the places of its nodes in it."""
        self._take(number, 1)
        said, _, flags, lower, upper = _PAGE_HEADER.unpack_from(self.content, number * self.size)
        if said != number or flags & ~0x10 not in (_BRANCH, _LEAF) or depth > _DEEPEST:
            raise ValueError("it is no page of the tree")
        if not _PAGE_HEADER.size < lower <= upper <= self.size or lower % 2:
            raise ValueError("its header says what cannot be")
        count = (lower - _PAGE_HEADER.size) // 2
        nodes = list(struct.unpack_from(f"<{count}H", self.content, number * self.size + _PAGE_HEADER.size))
        if min(nodes) < upper or max(nodes) + _NODE.size > self.size:
            raise ValueError("it points beyond its end")
        return flags, nodes

    def _take(self, number: int, pages: int) -> None:
        if number < 2 or number + pages - 1 > self.last or number in self.first_pages:
            raise ValueError("it lies where it cannot")
        self.first_pages.add(number)

    def _node(self, number: int, place: int) -> tuple[int, int, int, int]:
        node: tuple[int, int, int, int] = _NODE.unpack_from(self.content, number * self.size + place)
        return node

    def _key(self, number: int, place: int) -> bytes:
        start, length = number * self.size + place + _NODE.size, self._node(number, place)[3]
        if length > LONGEST_KEY or place + _NODE.size + length > self.size:
            raise ValueError("a key is longer than it can be")
        return self.content[start : start + length]

    def _child(self, number: int, place: int) -> int:
        low, high, flags, _ = self._node(number, place)
        return low | high << 16 | flags << 32

    def _check_value(self, number: int, place: int, key: bytes) -> None:
        low, high, flags, _ = self._node(number, place)
        length, start = low | high << 16, place + _NODE.size + len(key)
        name = key.decode(errors="replace")
        if flags & ~_BIG or not key:
            raise ValueError(f"the entry {name!r} is of a kind that images are not")
        if not flags:
            if start + length > self.size:
                raise ValueError(f"the entry {name!r} is longer than its page")
            return
        if start + 8 > self.size:
            raise ValueError(f"the entry {name!r} is longer than its page")
        (first,) = struct.unpack_from("<Q", self.content, number * self.size + start)
        pages = -(-(_PAGE_HEADER.size + length) // self.size)
        try:
            self._take(first, pages)
            said, _, kind, low, high = _PAGE_HEADER.unpack_from(self.content, first * self.size)
        except (ValueError, OverflowError):
            raise ValueError(f"the entry {name!r} lies where it cannot") from None
        if said != first or kind != _OVERFLOW or low | high << 16 < pages:
            raise ValueError(f"the first page of the entry {name!r} is damaged")

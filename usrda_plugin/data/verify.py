"""Verify an image LMDB: its pages, its list, each entry and, where it has them, their checksums."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import lmdb

from usrda_plugin.data.backends import LmdbStore, read_lines
from usrda_plugin.data.checksums import FILE, LISTING, checksum, read_checksums
from usrda_plugin.data.environment import lmdb_environment
from usrda_plugin.data.lmdb import Progress
from usrda_plugin.data.lmdb_tree import tree_faults
from usrda_plugin.data.pictures import decode_colour

_META_LINE = re.compile(r"(?P<key>[^.]+)\.\w+ \((?P<height>\d+),(?P<width>\d+),\d+\) \d+")


def verify_lmdb(path: str | Path, *, progress: Progress = iter) -> list[str]:
    """Read every image of an LMDB and describe each fault in a line; no lines mean that BasicSR can read it all.

    Without ``checksums.txt`` a bit that has flipped among the pixels of an uncompressed image is not seen.
    """
    store = LmdbStore(Path(path))
    try:
        environment = lmdb_environment(path)
        faults = tree_faults(store.root / "data.mdb")
        lines = [] if faults else read_lines(store.root / LISTING)
    except (ValueError, OSError) as error:
        return [str(error)]
    if faults:  # LMDB would walk into them
        return faults
    before = environment.info()["last_txnid"]
    found = list(_faults(store, environment, lines, progress))
    if environment.info()["last_txnid"] != before:
        found.append("another program wrote into it meanwhile; verify it again when that is done")
    return found


def _faults(store: LmdbStore, environment: lmdb.Environment, lines: list[str], progress: Progress) -> Iterator[str]:
    sums, unreadable = read_checksums(store.root) or (None, [])
    listed = Counter(store.entry(line) for line in lines)
    with environment.begin() as transaction:
        stored = {bytes(key).decode(errors="replace") for key in transaction.cursor().iternext(values=False)}
    faulty = [*unreadable, *_faults_of_lines(store, lines, sums, progress)]
    faulty += [f"{LISTING} lists {key!r} {count} times" for key, count in listed.items() if count > 1]
    faulty += [f"key {key!r} is stored, but {LISTING} does not list it" for key in sorted(stored - set(listed))]
    yield from faulty
    if sums is not None and not faulty and sums.get(LISTING) != checksum((store.root / LISTING).read_bytes()):
        yield f"{LISTING} has changed since the LMDB was made: its checksum is another one"


def _faults_of_lines(
    store: LmdbStore, lines: list[str], sums: Mapping[str, int] | None, progress: Progress
) -> Iterable[str]:
    for number in progress(range(len(lines))):
        fault = _fault_of_line(store, lines[number], sums)
        if fault:
            yield fault


def _fault_of_line(store: LmdbStore, line: str, sums: Mapping[str, int] | None) -> str:
    match = _META_LINE.fullmatch(line)
    if match is None or not line.isascii():
        return f"{LISTING}: expected `key.png (height,width,channels) compression` in ASCII, found {line!r}"
    key = match["key"]
    try:
        with store.content(key) as content:
            height, width, _ = decode_colour(content, f"{store.root}: {key}").shape
            found = checksum(content)
    except (ValueError, OSError, lmdb.Error) as error:
        return str(error)
    if (height, width) != (int(match["height"]), int(match["width"])):
        return f"{key} is {height}x{width}, but {LISTING} says {match['height']}x{match['width']}"
    if sums is None or sums.get(key) == found:
        return ""
    if key not in sums:
        return f"{FILE} lacks {key!r}"
    return f"{key!r} has changed since the LMDB was made: its checksum is another one"

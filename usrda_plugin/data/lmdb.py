"""Make image LMDBs in BasicSR's layout: ``data.mdb``, ``lock.mdb`` and ``meta_info.txt``; and ``checksums.txt`` beside.

A line of ``meta_info.txt`` is ``key.png (height,width,channels) compression``; BasicSR takes a key up to its first dot
and encodes it as ASCII, so keys have neither dots nor letters beyond that. An entry may be of any format that is read;
the ending in the list says which, and readers leave it aside.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import lmdb
import numpy as np

from usrda_plugin.data.backends import LONGEST_KEY, is_lmdb
from usrda_plugin.data.checksums import checksum, write_checksums
from usrda_plugin.data.encoding import COMPRESSION, encode
from usrda_plugin.data.images import ImageSource
from usrda_plugin.data.layout import WHOLE, Layout
from usrda_plugin.data.unfinished import unfinished_folder

FIRST_MAP_SIZE = 2**26
"""Bytes that the LMDB may take at first; it is doubled as often as needed."""

Progress = Callable[[range], Iterable[int]]
"""Wraps the loop over the numbers of the images, as tqdm does."""


def make_lmdb(
    images_root: str | Path,
    lmdb_path: str | Path,
    *,
    layout: Layout = WHOLE,
    meta_info: str | Path | None = None,
    progress: Progress = iter,
) -> int:
    """Write the images of a folder, or of another LMDB, into a new LMDB and return how many entries it has.

    The LMDB appears under its name only when it is whole. Raises FileExistsError where the name is taken, ValueError
    for a name that does not end in .lmdb and, naming them all, for unreadable images.
    """
    target = Path(lmdb_path)
    if not is_lmdb(target):
        raise ValueError(f"an LMDB's name must end in .lmdb, found {target}")
    if target.exists() or target.is_symlink():
        raise FileExistsError(f"{target} already exists; remove it or choose another name")
    source = ImageSource.open(images_root, meta_info)
    target.parent.mkdir(parents=True, exist_ok=True)
    with unfinished_folder(target) as folder:
        unfinished = folder / target.name
        count = _write(source, unfinished, layout, progress)
        unfinished.rename(target)
    return count


def _write(source: ImageSource, path: Path, layout: Layout, progress: Progress) -> int:
    keys = unique_keys(source.entries)
    lines: list[str] = []
    faults: list[str] = []
    sums: dict[str, int] = {}
    # not synchronised image by image: until the final sync and rename nobody can take it for a whole LMDB
    with lmdb.open(str(path), map_size=FIRST_MAP_SIZE, sync=False) as environment:
        for index in progress(range(len(source))):
            try:
                for suffix, tile in _tiles(source, index, layout):
                    content = encode(tile, layout.encoding)
                    _put(environment, keys[index] + suffix, content)
                    sums[keys[index] + suffix] = checksum(content)
                    size, level = f"({tile.shape[0]},{tile.shape[1]},3)", COMPRESSION[layout.encoding]
                    lines.append(f"{keys[index]}{suffix}.{layout.encoding} {size} {level}\n")
            except (ValueError, OSError) as error:
                faults.append(str(error))
        environment.sync(True)
    if faults:
        raise ValueError("no LMDB made, since some images cannot be taken:\n" + "\n".join(faults))
    (path / "meta_info.txt").write_text("".join(lines), encoding="ascii")
    write_checksums(path, sums)
    return len(lines)


def _tiles(source: ImageSource, index: int, layout: Layout) -> list[tuple[str, np.ndarray]]:
    image = source.read(index)
    try:
        return list(layout.tiles(image))
    except ValueError as error:
        raise ValueError(f"{source.path(index)}: {error}") from error


def _put(environment: lmdb.Environment, key: str, content: bytes) -> None:
    if len(key) > LONGEST_KEY:
        raise ValueError(f"a key may have {LONGEST_KEY} letters, found {len(key)}; shorten the name {key}")
    while True:
        try:
            with environment.begin(write=True) as transaction:
                is_new = transaction.put(key.encode("ascii"), content, overwrite=False)
            break
        except lmdb.MapFullError:
            environment.set_mapsize(2 * environment.info()["map_size"])
    if not is_new:  # a tile of one image may be named as another image is
        raise ValueError(f"two images would have the key {key!r}; rename one of them")


def unique_keys(entries: Iterable[str]) -> list[str]:
    """Turn image names into keys: no suffix, only letters that BasicSR takes, numbered where two would be the same."""
    keys: list[str] = []
    taken: set[str] = set()
    for entry in entries:
        plain = re.sub(r"[^A-Za-z0-9_/-]", "_", str(PurePosixPath(entry).with_suffix("")))
        candidates = (plain if number == 1 else f"{plain}_{number}" for number in range(1, len(taken) + 2))
        keys.append(next(key for key in candidates if key not in taken))
        taken.add(keys[-1])
    return keys

"""Make and verify image LMDBs in BasicSR's layout: ``data.mdb``, ``lock.mdb`` and ``meta_info.txt``.

A line of ``meta_info.txt`` is ``key.png (height,width,channels) compression``; BasicSR takes a key up to its first dot
and encodes it as ASCII, so keys have neither dots nor letters beyond that.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import cv2
import lmdb
import numpy as np

from usrda_plugin.data.decoding import decode
from usrda_plugin.data.environment import lmdb_environment
from usrda_plugin.data.images import ImageSource
from usrda_plugin.data.stores import LmdbStore, is_lmdb, read_lines

COMPRESSION = 1
FIRST_MAP_SIZE = 2**26
"""Bytes that the LMDB may take at first; it is doubled as often as needed."""
_META_LINE = re.compile(r"(?P<key>[^.]+)\.\w+ \((?P<height>\d+),(?P<width>\d+),\d+\) \d+")


def make_lmdb(
    images_root: str | Path,
    lmdb_path: str | Path,
    *,
    crop: int | None = None,
    meta_info: str | Path | None = None,
    progress: Callable[[range], Iterable[int]] = iter,
) -> int:
    """Write the images of a folder as RGB PNG into a new LMDB and return how many entries it has.

    With ``crop`` each image is cut into tiles of that many pixels a side, the last ones overlapping, so that a training
    patch need not decode a whole photograph. ``progress`` wraps the loop over the images, as tqdm does. The LMDB
    appears under its name only when it is whole. Raises FileExistsError where the name is taken, ValueError for a name
    that does not end in .lmdb, for a ``crop`` below 1 and, naming them all, for unreadable images.
    """
    target = Path(lmdb_path)
    if not is_lmdb(target):
        raise ValueError(f"an LMDB's name must end in .lmdb, found {target}")
    if target.exists():
        raise FileExistsError(f"{target} already exists; remove it or choose another name")
    if crop is not None and crop < 1:
        raise ValueError(f"crop must be at least 1 pixel, found {crop}")
    source = ImageSource.open(images_root, meta_info)
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{target.stem}-unfinished-", dir=target.parent) as scratch:
        unfinished = Path(scratch, target.name)
        count = _write(source, unfinished, crop, progress)
        unfinished.rename(target)
    return count


def verify_lmdb(path: str | Path) -> list[str]:
    """Read every image of an LMDB and describe each fault in a line; no lines mean that BasicSR can read it all."""
    store = LmdbStore(Path(path))
    try:
        environment = lmdb_environment(path)
        lines = read_lines(store.root / "meta_info.txt")
    except (ValueError, FileNotFoundError) as error:
        return [str(error)]
    listed = Counter(store.entry(line) for line in lines)
    with environment.begin() as transaction:
        stored = {bytes(key).decode(errors="replace") for key, _ in transaction.cursor()}
    return [
        *(fault for line in lines for fault in _line_faults(store, line)),
        *(f"meta_info.txt lists {key!r} {count} times" for key, count in listed.items() if count > 1),
        *(f"key {key!r} is stored, but meta_info.txt does not list it" for key in sorted(stored - set(listed))),
    ]


def _write(source: ImageSource, path: Path, crop: int | None, progress: Callable[[range], Iterable[int]]) -> int:
    keys = unique_keys(source.entries)
    lines: list[str] = []
    unreadable: list[str] = []
    # not synchronised image by image: until the final sync and rename nobody can take it for a whole LMDB
    with lmdb.open(str(path), map_size=FIRST_MAP_SIZE, sync=False) as environment:
        for index in progress(range(len(source))):
            try:
                image = source.read(index)
            except (ValueError, OSError) as error:
                unreadable.append(str(error))
                continue
            for suffix, tile in tiles(image, crop):
                _put(environment, keys[index] + suffix, tile)
                lines.append(f"{keys[index]}{suffix}.png ({tile.shape[0]},{tile.shape[1]},3) {COMPRESSION}\n")
        environment.sync(True)
    if unreadable:
        raise ValueError("no LMDB made, since some images cannot be read:\n" + "\n".join(unreadable))
    (path / "meta_info.txt").write_text("".join(lines), encoding="ascii")
    return len(lines)


def _put(environment: lmdb.Environment, key: str, image: np.ndarray) -> None:
    done, png = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, COMPRESSION])
    assert done, key
    while True:
        try:
            with environment.begin(write=True) as transaction:
                transaction.put(key.encode("ascii"), png.tobytes())
            return
        except lmdb.MapFullError:
            environment.set_mapsize(2 * environment.info()["map_size"])


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


def tiles(image: np.ndarray, size: int | None) -> Iterator[tuple[str, np.ndarray]]:
    """Cut an image into tiles that cover it, each with the suffix of its key; an image within ``size`` stays whole."""
    if size is None or max(image.shape[:2]) <= size:
        yield "", image
        return
    tops, lefts = ([*range(0, max(length - size, 0), size), max(length - size, 0)] for length in image.shape[:2])
    for number, (top, left) in enumerate(((top, left) for top in tops for left in lefts), start=1):
        yield f"_s{number:03d}", image[top : top + size, left : left + size]


def _line_faults(store: LmdbStore, line: str) -> list[str]:
    match = _META_LINE.fullmatch(line)
    if match is None or not line.isascii():
        return [f"meta_info.txt: expected `key.png (height,width,channels) compression` in ASCII, found {line!r}"]
    try:
        with store.open(match["key"]) as file:
            height, width, _ = decode(file.read(), f"{store.root}: {match['key']}").shape
    except (ValueError, OSError) as error:
        return [str(error)]
    if (height, width) != (int(match["height"]), int(match["width"])):
        return [f"{match['key']} is {height}x{width}, but meta_info.txt says {match['height']}x{match['width']}"]
    return []

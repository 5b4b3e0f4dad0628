"""Make and verify LMDBs of images or tiles in BasicSR's layout: ``data.mdb``, ``lock.mdb`` and ``meta_info.txt``.

A line of ``meta_info.txt`` is ``key.png (height,width,channels) compression``; BasicSR takes a key up to its first dot
and encodes it as ASCII, so keys have neither dots nor letters beyond that. An entry may be of any format that is read;
the ending in the list says which, and readers leave it aside.

Beside lies ``checksums.txt``, since in uncompressed images, which have no checksum of their own, a flipped bit would go
unseen: a line ``key crc32`` for each entry and one for ``meta_info.txt``, which no key can be called. BasicSR does not
look at it.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import lmdb
import numpy as np

from usrda_plugin.choices import Encoding
from usrda_plugin.data.backends import LmdbStore, is_lmdb, lmdb_environment, read_lines
from usrda_plugin.data.images import ImageSource
from usrda_plugin.data.lmdb_tree import LONGEST_KEY, tree_faults
from usrda_plugin.data.pictures import COMPRESSION, decode_colour, encode_colour
from usrda_plugin.data.unfinished import unfinished_folder

FIRST_MAP_SIZE = 2**26
"""Bytes that the LMDB may take at first; it is doubled as often as needed."""
LISTING, CHECKSUMS = "meta_info.txt", "checksums.txt"
_LINE_OF_LISTING = re.compile(r"(?P<key>[^.]+)\.\w+ \((?P<height>\d+),(?P<width>\d+),\d+\) \d+")
_LINE_OF_CHECKSUMS = re.compile(r"(?P<key>\S+) (?P<sum>[0-9a-f]{8})")

Progress = Callable[[range], Iterable[int]]
"""Wraps the loop over the numbers of the images, as tqdm does."""


@dataclass(frozen=True)
class TilingSpec:
    """Images whole, or as tiles of ``crop`` pixels a side, one beginning every ``step`` pixels and one at each end.

    ``step`` is half of ``crop`` unless told. Images first lose their remainder, at the right and the bottom, to a
    ``multiple`` of pixels: with the scale as multiple, HR tiles fit the tiles of LR images made with ``crop`` and
    ``step`` divided by it. Raises ValueError for lengths that are below 1 or do not go together.
    """

    crop: int | None = None
    step: int | None = None
    multiple: int = 1

    def __post_init__(self) -> None:
        for name, length in (("multiple", self.multiple), ("crop", self.crop), ("step", self.step)):
            if length is not None and length < 1:
                raise ValueError(f"{name} must be at least 1 pixel, found {length}")
            if length is not None and length % self.multiple:
                raise ValueError(f"{name} must be divisible by multiple, {self.multiple}, found {length}")
        if self.crop is None and self.step is not None:
            raise ValueError(f"step says where tiles begin, but there are none: found step {self.step} without crop")
        if self.crop is not None and self.stride > self.crop:
            raise ValueError(
                f"step must not exceed crop, {self.crop}, or pixels would be left out; found {self.stride}"
            )

    @property
    def stride(self) -> int:
        """Pixels from one tile's beginning to the next's."""
        half = (self.crop or 0) // 2
        return self.step or max(half - half % self.multiple, self.multiple)

    @property
    def largest_patch(self) -> int:
        """Sides of the largest patch that lies whole in some tile wherever it is cut; meaningless without tiles."""
        return (self.crop or 0) - self.stride + 1

    def tiles(self, image: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Cut an HWC image, each tile with the suffix of its key; an image that fits into one tile has none.

        Raises ValueError for an image smaller than ``multiple``.
        """
        height, width = (length - length % self.multiple for length in image.shape[:2])
        if not height or not width:
            found = f"{image.shape[0]}x{image.shape[1]} (height x width)"
            raise ValueError(f"expected at least {self.multiple}x{self.multiple} pixels, found {found}")
        image = image[:height, :width]
        if self.crop is None or max(height, width) <= self.crop:
            yield "", image
            return
        corners = ((top, left) for top in self._starts(height) for left in self._starts(width))
        for number, (top, left) in enumerate(corners, start=1):
            yield f"_s{number:03d}", image[top : top + self.crop, left : left + self.crop]

    def _starts(self, length: int) -> list[int]:
        last = max(length - (self.crop or length), 0)
        return [*range(0, last, self.stride), last]


WHOLE = TilingSpec()
"""Images whole."""


def make_lmdb(
    images_root: str | Path,
    lmdb_path: str | Path,
    *,
    tiling: TilingSpec = WHOLE,
    encoding: Encoding = "ppm",
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
        count = _write(source, unfinished, tiling, encoding, progress)
        unfinished.rename(target)
    return count


def _write(source: ImageSource, path: Path, tiling: TilingSpec, encoding: Encoding, progress: Progress) -> int:
    keys = unique_keys(source.entries)
    lines: list[str] = []
    faults: list[str] = []
    sums: dict[str, int] = {}
    # not synchronised image by image: until the final sync and rename nobody can take it for a whole LMDB
    with lmdb.open(str(path), map_size=FIRST_MAP_SIZE, sync=False) as environment:
        for index in progress(range(len(source))):
            try:
                for suffix, tile in _tiles(source, index, tiling):
                    key, content = keys[index] + suffix, encode_colour(tile, encoding)
                    _put(environment, key, content)
                    sums[key] = zlib.crc32(content)
                    height, width = tile.shape[:2]
                    lines.append(f"{key}.{encoding} ({height},{width},3) {COMPRESSION[encoding]}\n")
            except (ValueError, OSError) as error:
                faults.append(str(error))
        environment.sync(True)
    if faults:
        raise ValueError("no LMDB made, since some images cannot be taken:\n" + "\n".join(faults))
    listing = "".join(lines).encode("ascii")
    (path / LISTING).write_bytes(listing)
    sums = {LISTING: zlib.crc32(listing), **sums}
    (path / CHECKSUMS).write_text("".join(f"{key} {crc:08x}\n" for key, crc in sums.items()), encoding="ascii")
    return len(lines)


def _tiles(source: ImageSource, index: int, tiling: TilingSpec) -> list[tuple[str, np.ndarray]]:
    image = source.read(index)
    try:
        return list(tiling.tiles(image))
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
    if sums is not None and not faulty and sums.get(LISTING) != zlib.crc32((store.root / LISTING).read_bytes()):
        yield f"{LISTING} has changed since the LMDB was made: its checksum is another one"


def _faults_of_lines(
    store: LmdbStore, lines: list[str], sums: Mapping[str, int] | None, progress: Progress
) -> Iterable[str]:
    for number in progress(range(len(lines))):
        fault = _fault_of_line(store, lines[number], sums)
        if fault:
            yield fault


def _fault_of_line(store: LmdbStore, line: str, sums: Mapping[str, int] | None) -> str:
    match = _LINE_OF_LISTING.fullmatch(line)
    if match is None or not line.isascii():
        return f"{LISTING}: expected `key.png (height,width,channels) compression` in ASCII, found {line!r}"
    key = match["key"]
    try:
        with store.content(key) as content:
            height, width, _ = decode_colour(content, f"{store.root}: {key}").shape
            found = zlib.crc32(content)
    except (ValueError, OSError, lmdb.Error) as error:
        return str(error)
    if (height, width) != (int(match["height"]), int(match["width"])):
        return f"{key} is {height}x{width}, but {LISTING} says {match['height']}x{match['width']}"
    if sums is None or sums.get(key) == found:
        return ""
    if key not in sums:
        return f"{CHECKSUMS} lacks {key!r}"
    return f"{key!r} has changed since the LMDB was made: its checksum is another one"


def read_checksums(folder: Path) -> tuple[dict[str, int], list[str]] | None:
    """Read the sums by their keys, and the faults of the file; None where there is none, as BasicSR writes none."""
    file = folder / CHECKSUMS
    if not file.is_file():
        return None
    sums: dict[str, int] = {}
    faults: list[str] = []
    text = file.read_bytes().decode("ascii", errors="backslashreplace")
    for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
        found = _LINE_OF_CHECKSUMS.fullmatch(line)
        if found is None:
            faults.append(f"{CHECKSUMS}: expected `key checksum` in line {number}, found {line!r}")
        else:
            sums[found["key"]] = int(found["sum"], 16)
    return sums, faults

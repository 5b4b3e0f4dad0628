"""Where encoded images lie: a folder of files, or an LMDB in BasicSR's layout."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Protocol, cast

import lmdb

from usrda_plugin.data.lmdb_tree import LONGEST_KEY, read_meta
from usrda_plugin.data.pictures import RangeFile

IMAGE_SUFFIXES = (
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".avif", ".gif"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".j2k"),
)
"""Files that are listed as images; what they are is told by their content."""

_environments: dict[str, tuple[tuple[int, ...], lmdb.Environment]] = {}
"""Those that are open, with process and file, by their path."""


class ImageStore(Protocol):
    """What a folder and an LMDB have in common; an entry is an image's name inside its root."""

    @property
    def root(self) -> Path:
        """The folder or the LMDB."""

    def entries(self) -> list[str]:
        """List all images, sorted."""

    def entry(self, name: str) -> str:
        """Turn a file name, as a meta-info file says it, into an entry."""

    def variants(self, entry: str) -> list[str]:
        """List the entries that the same image could have with another suffix, the likeliest first."""

    def has(self, entry: str) -> bool:
        """Tell whether there is such an image."""

    def others(self, used: Collection[str]) -> list[str]:
        """Name what else lies there, sorted, where these entries are used; hidden files do not count."""

    def version(self, entry: str) -> tuple[int, int]:
        """Give what changes when the image's file does: its size and the time of its last change."""

    def open(self, entry: str) -> AbstractContextManager[IO[bytes]]:
        """Open the encoded image for reading, of which only what is read is fetched."""

    def content(self, entry: str) -> AbstractContextManager[bytes | memoryview]:
        """Give the encoded image whole, which may be gone after the ``with``."""


@dataclass(frozen=True)
class FolderStore:
    """Image files of one folder: those of its subfolders only where a meta-info file names them, as in BasicSR."""

    root: Path

    def entries(self) -> list[str]:
        """List all images, sorted. Raises FileNotFoundError where there is no such folder."""
        if not self.root.is_dir():
            raise FileNotFoundError(f"image folder {self.root} does not exist")
        files = (file for file in self.root.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
        return sorted(file.name for file in files if not is_hidden(file.name) and is_listed(file))

    def entry(self, name: str) -> str:
        """Turn a file name, as a meta-info file says it, into an entry."""
        return name

    def variants(self, entry: str) -> list[str]:
        """List the entries that the same image could have with another suffix, the likeliest first."""
        stem = entry.removesuffix(PurePosixPath(entry).suffix)
        return [entry, *(stem + suffix for suffix in IMAGE_SUFFIXES)]

    def has(self, entry: str) -> bool:
        """Tell whether there is such an image."""
        return is_listed(self.root / entry)

    def others(self, used: Collection[str]) -> list[str]:
        """Name the files and subfolders, sorted, in which none of these entries is; hidden ones do not count."""
        known = {PurePosixPath(entry).parts[0] for entry in used}
        names = (file.name for file in self.root.iterdir())
        return sorted(name for name in names if name not in known and not is_hidden(name))

    def version(self, entry: str) -> tuple[int, int]:
        """Give what changes when the image does. Raises OSError that names the file."""
        return _version(self.root / entry)

    def open(self, entry: str) -> IO[bytes]:
        """Open the encoded image for reading. Raises OSError that names the file."""
        return (self.root / entry).open("rb")

    @contextmanager
    def content(self, entry: str) -> Iterator[bytes]:
        """Give the encoded image whole. Raises OSError that names the file."""
        yield (self.root / entry).read_bytes()


@dataclass(frozen=True)
class LmdbStore:
    """An LMDB whose ``meta_info.txt`` lists its images; a key is the name up to its first dot, as in BasicSR."""

    root: Path

    def entries(self) -> list[str]:
        """List all images, sorted. Raises FileNotFoundError where there is no LMDB, ValueError where it is damaged."""
        lmdb_environment(self.root)
        return sorted({self.entry(line) for line in read_lines(self.root / "meta_info.txt")})

    def entry(self, name: str) -> str:
        """Turn a file name, as a meta-info file says it, into an entry."""
        return name.split(".")[0]

    def variants(self, entry: str) -> list[str]:
        """List the entries that the same image could have with another suffix: keys have none."""
        return [self.entry(entry)]

    def has(self, entry: str) -> bool:
        """Tell whether there is such an image."""
        key = entry.encode()
        if not 0 < len(key) <= LONGEST_KEY:
            return False
        with lmdb_environment(self.root).begin(buffers=True) as transaction:
            return transaction.get(key) is not None

    def others(self, used: Collection[str]) -> list[str]:
        """Name the images, sorted, that are not among these entries."""
        return sorted({*self.entries()} - {*used})

    def version(self, entry: str) -> tuple[int, int]:
        """Give what changes when any image does. Raises OSError that names the file."""
        return _version(self.root / "data.mdb")

    @contextmanager
    def open(self, entry: str) -> Iterator[IO[bytes]]:
        """Open the encoded image for reading within the ``with``. Raises FileNotFoundError that names the key."""
        with self.content(entry) as content:
            yield cast(IO[bytes], RangeFile(lambda start, stop: bytes(content[start:stop]), len(content)))

    @contextmanager
    def content(self, entry: str) -> Iterator[memoryview]:
        """View the encoded image where it lies in the file; nothing of it is read before it is looked at.

        The view is dead after the ``with``. Raises FileNotFoundError that names the key.
        """
        with lmdb_environment(self.root).begin(buffers=True) as transaction:
            content = transaction.get(entry.encode())
            if content is None:
                raise FileNotFoundError(
                    f"key {entry!r} is not in the LMDB {self.root}, though its list names it; make it again"
                )
            yield content


def lmdb_environment(path: str | Path) -> lmdb.Environment:
    """Return the read-only environment of ``path``, which all data sets of this process share.

    LMDB refuses to open a path twice in a process, and a forked worker must not use its parent's handle.
    Raises FileNotFoundError where there is no LMDB, ValueError where it is cut off, damaged, of another version, or
    open in this process by other means.
    """
    key = os.path.realpath(path)
    owner = (os.getpid(), *_file_identity(key))
    known_owner, environment = _environments.get(key, (None, None))
    if environment is not None and known_owner == owner:
        return environment
    if environment is not None:  # of files since replaced, or this process's copy of its parent's handle
        del _environments[key]
        environment.close()
    environment = _open_environment(key)
    _environments[key] = owner, environment
    return environment


def _file_identity(path: str) -> tuple[int, int]:
    data = Path(path, "data.mdb")
    if not data.is_file():
        raise FileNotFoundError(f"no LMDB at {path}: data.mdb is missing")
    status = data.stat()
    return status.st_ino, status.st_size


def _open_environment(path: str) -> lmdb.Environment:
    try:
        read_meta(Path(path, "data.mdb"))
    except ValueError as error:
        raise ValueError(f"the LMDB {path} cannot be used: {error}; copy or make it again") from None
    try:
        # without lock, so that a read-only disk will do and nobody else is kept waiting
        return lmdb.open(path, readonly=True, lock=False, readahead=False, meminit=False)
    except lmdb.Error as error:
        remedy = "close it there" if "already open" in str(error) else "copy or make it again"
        raise ValueError(f"cannot open the LMDB {path}: {error}; {remedy}") from error


def open_store(root: str | Path) -> ImageStore:
    """Tell by its ending what a root is: ``*.lmdb`` or a folder."""
    return LmdbStore(Path(root)) if is_lmdb(root) else FolderStore(Path(root))


def _version(file: Path) -> tuple[int, int]:
    found = file.stat()
    return found.st_size, found.st_mtime_ns


def is_lmdb(root: str | Path) -> bool:
    """Tell whether a root is an LMDB, by its ending alone."""
    return Path(root).suffix == ".lmdb"


def is_hidden(name: str) -> bool:
    """Tell whether a file or folder of that name is hidden, as are .DS_Store and the ._a.jpg of macOS beside a.jpg."""
    return name.startswith(".")


def is_listed(file: Path) -> bool:
    """Tell whether a path is a file, or a link that leads nowhere, which is to be named when it is read."""
    return file.is_file() or (file.is_symlink() and not file.exists())


def listed_name(line: str) -> str:
    """Return the name in a line of a meta-info file, which ends at the first space or tab."""
    return re.split(r"[ \t]", line.strip(), maxsplit=1)[0]


def read_lines(file: str | Path) -> list[str]:
    """Read the lines of a meta-info file that are not blank.

    Raises FileNotFoundError that names it, ValueError where it is no text.
    """
    if not Path(file).is_file():
        raise FileNotFoundError(f"meta-info file {file} does not exist")
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"meta-info file {file} is damaged: byte {error.start} is no UTF-8") from None
    return [line for line in text.split("\n") if line.strip()]

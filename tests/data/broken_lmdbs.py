"""Ways to spoil an LMDB of uncompressed images, and what must be told of each."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import lmdb

Spoil = Callable[[Path], object]


def put(key: str, change: Callable[[bytes], bytes | None]) -> Spoil:
    """Change an entry; None takes it out."""

    def spoil(path: Path) -> None:
        with lmdb.open(str(path), map_size=2**26) as environment, environment.begin(write=True) as transaction:
            value = change(transaction.get(key.encode()) or b"")
            transaction.put(key.encode(), value) if value is not None else transaction.delete(key.encode())

    return spoil


def write(name: str, change: Callable[[bytes], bytes]) -> Spoil:
    """Change a file of the LMDB."""
    return lambda path: (path / name).write_bytes(change((path / name).read_bytes()))


def overwrite(place: int, content: bytes) -> Callable[[bytes], bytes]:
    """Other bytes from a place on, in a file as long as before."""
    return lambda whole: whole[:place] + content + whole[place + len(content) :]


def spoil_root(path: Path) -> None:
    """Let the root of the tree point to itself, or a leaf's first entry beyond the file: LMDB would follow."""
    data = path / "data.mdb"
    whole = data.read_bytes()
    newest = max((0, 4096), key=lambda page: struct.unpack_from("<Q", whole, page + 16 + 128)[0])
    (root,) = struct.unpack_from("<Q", whole, newest + 16 + 112)
    (node,) = struct.unpack_from("<H", whole, root * 4096 + 16)
    data.write_bytes(overwrite(root * 4096 + node, b"\xff" * 4)(whole))


def spoil_an_entrys_page(path: Path) -> None:
    """Let the page where the first entry begins say that it is another one."""
    data = path / "data.mdb"
    whole = data.read_bytes()
    data.write_bytes(overwrite(whole.index(b"P6\n") - 16, b"\xff")(whole))


def flip_a_pixel(path: Path) -> None:
    """Change one bit amid the pixels of the first entry."""
    data = path / "data.mdb"
    whole = data.read_bytes()
    place = whole.index(b"P6\n") + 1000
    data.write_bytes(overwrite(place, bytes([whole[place] ^ 4]))(whole))


# those that the checks before a start find
REFUSED: dict[str, tuple[Spoil, str]] = {
    "no data": (lambda path: (path / "data.mdb").unlink(), "data.mdb"),
    "data of no bytes": (write("data.mdb", lambda whole: b""), "cut off within its first pages"),
    "data cut off": (write("data.mdb", lambda whole: whole[:-4096]), "is cut off: data.mdb has"),
    "data cut off at its start": (
        write("data.mdb", lambda whole: whole[:4200]),
        "cut off within its first pages",
    ),
    "another file": (write("data.mdb", lambda whole: b"scribble" * 4096), "another file, or damaged"),
    "another version": (
        write("data.mdb", overwrite(20, b"\2")),
        "another version of LMDB: expected data version 1, found 2",
    ),
    "a page size that cannot be": (write("data.mdb", overwrite(40, b"\7\0\0\0")), "a page cannot have 7 bytes"),
    "a damaged tree": (spoil_root, "of data.mdb is damaged"),
    "a damaged page of an entry": (spoil_an_entrys_page, "the first page of the entry '0' is damaged"),
    "a key missing": (put("1", lambda value: None), "'1'|not stored: 1"),
    "an entry cut off": (put("1", lambda value: value[:-1]), "1.* is cut off"),
    "an entry of no bytes": (put("1", lambda value: b""), "1.*an empty file"),
    "an entry that is no image": (put("1", lambda value: b"scribble"), "1.*found text"),
    "no list": (lambda path: (path / "meta_info.txt").unlink(), "meta_info.txt"),
    "a list of no bytes": (write("meta_info.txt", lambda whole: b""), "meta_info.txt"),
    "a list that is no text": (write("meta_info.txt", lambda whole: b"\xff\xfe" + whole), "meta_info.txt"),
    "another size in the list": (
        write("meta_info.txt", lambda whole: whole.replace(b"1.ppm (64,", b"1.ppm (65,")),
        "1 is 64x64, but meta_info.txt says 65x64",
    ),
    "a key in the list that is not stored": (
        write("meta_info.txt", lambda whole: whole + b"ghost.ppm (64,64,3) 0\n"),
        "ghost",
    ),
}
# those that only a look at every byte, or at what training does not need, finds
VERIFIED: dict[str, tuple[Spoil, str]] = {
    **REFUSED,
    "a flipped bit among pixels": (flip_a_pixel, "'0' has changed since the LMDB was made"),
    "a stored key that the list lacks": (put("stray", lambda value: b"P6"), "'stray' is stored, but"),
    "a line taken out of the list": (
        write("meta_info.txt", lambda whole: whole.split(b"\n", 1)[1]),
        "'0' is stored, but meta_info.txt does not list it",
    ),
    "a line twice in the list": (
        write("meta_info.txt", lambda whole: whole + whole.split(b"\n")[0] + b"\n"),
        "meta_info.txt lists '0' 2 times",
    ),
    "a line that says nothing": (write("meta_info.txt", lambda whole: whole + b"scribble\n"), "'scribble'"),
    "another ending in the list": (
        write("meta_info.txt", lambda whole: whole.replace(b"1.ppm", b"1.pgm")),
        "meta_info.txt has changed",
    ),
    "a checksum changed": (write("checksums.txt", lambda whole: whole[:-2] + b"~\n"), "checksums.txt: expected"),
    "a checksum missing": (write("checksums.txt", lambda whole: whole[:-11]), "checksums.txt lacks '3'"),
}

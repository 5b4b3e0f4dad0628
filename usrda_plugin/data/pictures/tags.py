"""The directory of tags that a TIFF begins with, and the EXIF block of other formats."""

from __future__ import annotations

import struct
from typing import NamedTuple

from usrda_plugin.data.pictures.picture import ReadRange

ORIENTATION = 0x0112
_STARTS = (b"II*\0", b"II+\0", b"MM\0*", b"MM\0+")
_SIZE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_CODE = {1: "B", 3: "H", 4: "I", 5: "I", 6: "b", 8: "h", 9: "i", 10: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 17: "q"}
_CODE |= {18: "Q"}
_RATIONALS = (5, 10)
MOST_DIRECTORIES = 10_000


class Field(NamedTuple):
    """Where the values of a tag lie: their TIFF type, how many, and the first one's place in the file."""

    kind: int
    amount: int
    place: int


class Directory:
    """One directory (IFD) of tags; values are read when they are asked for. ``following``: the next one's place."""

    def __init__(self, read: ReadRange, place: int, order: str, *, big: bool) -> None:
        self._read, self._order = read, order
        entry, counter, inline = (20, "Q", 8) if big else (12, "H", 4)
        start = struct.calcsize(counter)
        (count,) = struct.unpack(order + counter, read(place, place + start))
        body = read(place + start, place + start + min(count, 65535) * entry)
        if len(body) < min(count, 65535) * entry:
            raise struct.error("it ends within its tags")
        self.fields: dict[int, Field] = {}
        for number in range(len(body) // entry):
            tag, kind = struct.unpack_from(order + "HH", body, number * entry)
            (values,) = struct.unpack_from(order + ("Q" if big else "I"), body, number * entry + 4)
            where = place + start + number * entry + (12 if big else 8)
            if values * _SIZE.get(kind, 1) > inline:
                at = where - place - start
                (where,) = struct.unpack_from(order + ("Q" if big else "I"), body, at)
            self.fields.setdefault(tag, Field(kind, values, where))
        end = place + start + count * entry
        link = read(end, end + inline)
        self.following = int(struct.unpack(order + ("Q" if big else "I"), link)[0]) if len(link) == inline else 0

    def bytes(self, tag: int) -> bytes:
        """Return the values of a tag as they are stored; empty where there is none."""
        field = self.fields.get(tag)
        if field is None:
            return b""
        return self._read(field.place, field.place + field.amount * _SIZE.get(field.kind, 1))

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Return the values of a tag, rationals as numerator and denominator; empty where there is none."""
        field = self.fields.get(tag)
        if field is None or field.kind not in _CODE:
            return ()
        content = self.bytes(tag)
        code = _CODE[field.kind]
        count = len(content) // struct.calcsize(code)
        return struct.unpack(f"{self._order}{count}{code}", content[: count * struct.calcsize(code)])

    def number(self, tag: int, otherwise: int) -> int:
        """Return the first value of a tag."""
        return next(iter(self.numbers(tag)), otherwise)


def directories(read: ReadRange, most: int = 1) -> list[Directory]:
    """Read the first directories of a TIFF or of an EXIF block.

    Raises struct.error for what is cut off, ValueError for what is none.
    """
    head = read(0, 16)
    if head[:4] not in _STARTS:
        raise ValueError("no TIFF")
    order, big = ("<" if head[:2] == b"II" else ">"), head[2:4] in (b"+\0", b"\0+")
    (place,) = struct.unpack_from(order + ("Q" if big else "I"), head, 8 if big else 4)
    found: list[Directory] = []
    seen: set[int] = set()
    while place and place not in seen and len(found) < most:
        seen.add(place)
        try:
            found.append(Directory(read, place, order, big=big))
        except struct.error:
            if not found:
                raise
            break
        place = found[-1].following
    return found


def orientation_of(exif: bytes) -> int:
    """Return the EXIF orientation, 1 to 8, that a block of EXIF says; 1 where it says none or is damaged."""
    block = exif.removeprefix(b"Exif\0\0")
    try:
        found = directories(lambda start, stop: block[start:stop])
    except (struct.error, ValueError):
        return 1
    return valid_orientation(found[0].number(ORIENTATION, 1)) if found else 1


def valid_orientation(orientation: int) -> int:
    """Return an EXIF orientation of 1 to 8, and 1 for what is none."""
    return orientation if 1 <= orientation <= 8 else 1

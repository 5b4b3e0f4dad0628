"""How an image is cut into tiles of one shape, and which part of each is kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Literal, NamedTuple


class Tiling(NamedTuple):
    """How images are to be cut.

    ``size``: the side of a tile in LR pixels, overlap included, "auto" (from free memory) or "none" (the whole image).
    ``overlap``: LR pixels around the kept part of a tile, "full" (the receptive field: tiles are exact) or "auto" (the
    field, or, where that is more than 24 cells of the network's features, 16 of them). ``batch``: tiles at a time.
    """

    size: int | Literal["auto", "none"] = "auto"
    overlap: int | Literal["auto", "full"] = "auto"
    batch: int | Literal["auto"] = "auto"


class Size(NamedTuple):
    """Height and width in LR pixels."""

    height: int
    width: int


class Span(NamedTuple):
    """Along one axis, in LR pixels: a tile covers [start, stop), and [keep_start, keep_stop) of it is kept."""

    start: int
    stop: int
    keep_start: int
    keep_stop: int


class Tile(NamedTuple):
    """One tile: its rows and its columns."""

    rows: Span
    cols: Span


@dataclass(frozen=True)
class Grid:
    """All tiles of an image: each row span with each column span, all of one shape."""

    rows: tuple[Span, ...]
    cols: tuple[Span, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of every tile."""
        return self.rows[0].stop - self.rows[0].start, self.cols[0].stop - self.cols[0].start

    @property
    def area(self) -> int:
        """LR pixels of one tile."""
        return self.shape[0] * self.shape[1]

    def __iter__(self) -> Iterator[Tile]:
        return (Tile(rows, cols) for rows, cols in product(self.rows, self.cols))

    def __len__(self) -> int:
        return len(self.rows) * len(self.cols)


def plan_grid(size: Size, area: int, overlap: int, step: int = 1) -> Grid | None:
    """The tiles of at most ``area`` pixels that cost the fewest pixels in all; None where overlap leaves no such tiles.

    A border of the image is a border of its tiles, so that it is padded as in the whole image; every other border of a
    kept part is at least ``overlap`` away from its tile's border. Tiles begin at multiples of ``step``.
    """
    best: tuple[int, Cuts, Cuts] | None = None
    widths = _cuts(size.width, overlap, step)
    for rows in _cuts(size.height, overlap, step):
        cols = next((cols for cols in widths if rows.size * cols.size <= area), None)
        if cols is None:
            continue
        pixels = rows.number * cols.number * rows.size * cols.size
        if best is None or pixels < best[0]:
            best = pixels, rows, cols
    return Grid(_spans(size.height, best[1], step), _spans(size.width, best[2], step)) if best else None


def square_grid(size: Size, side: int, overlap: int, step: int = 1) -> Grid | None:
    """The fewest tiles no larger than ``side`` a side; None where overlap leaves no such tiles."""
    rows = next((cuts for cuts in _cuts(size.height, overlap, step) if cuts.size <= side), None)
    cols = next((cuts for cuts in _cuts(size.width, overlap, step) if cuts.size <= side), None)
    return Grid(_spans(size.height, rows, step), _spans(size.width, cols, step)) if rows and cols else None


class Cuts(NamedTuple):
    """An axis in ``number`` tiles of ``size`` pixels."""

    number: int
    size: int


def _cuts(length: int, overlap: int, step: int) -> list[Cuts]:
    """The ways to cut an axis, the fewest tiles first, each with smaller tiles than those before."""
    found = [Cuts(1, length)]
    for count in range(2, (length - 2 * overlap) // step + 2):
        size = _size(length, count, overlap, step)
        if size < found[-1].size:
            found.append(Cuts(count, size))
    return found


def _size(length: int, count: int, overlap: int, step: int) -> int:
    """The least size of ``count`` tiles that overlap enough, such that the last one begins at an aligned place."""
    even = -(-(length + 2 * (count - 1) * overlap) // count)
    size = length - max(length - even, 0) // step * step
    while size < length and _stride(length, count, size, step) > size - 2 * overlap:
        size += step
    return size


def _stride(length: int, count: int, size: int, step: int) -> int:
    """The largest distance between the beginnings of neighbouring tiles."""
    return -(-((length - size) // step) // (count - 1)) * step


def _spans(length: int, cuts: Cuts, step: int) -> tuple[Span, ...]:
    count, size = cuts
    steps = (length - size) // step
    starts = [steps * number // max(count - 1, 1) * step for number in range(count)]
    # neighbours share their overlap evenly
    seams = [(start + size + after) // 2 for start, after in pairwise(starts)]
    kept = zip([0, *seams], [*seams, length], strict=True)
    return tuple(Span(start, start + size, *keep) for start, keep in zip(starts, kept, strict=True))

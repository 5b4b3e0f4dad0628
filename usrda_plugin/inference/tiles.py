"""How an image is cut into tiles of one shape, which part of each is kept, and how they are run as memory allows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice, pairwise, product
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from usrda_plugin.inference.engine import Engine, NotFiniteError, PendingBatch
from usrda_plugin.inference.memory import bytes_per_pixel, free_memory, is_out_of_memory
from usrda_plugin.inference.model_info import ModelInfo

Progress = Callable[[int, int], None]
"""Called with the number of tiles done and of all tiles."""

# pixels of a tile: beyond these it gets no faster, only larger
LARGEST_AREA = {"cpu": 256**2, "cuda": 1024**2}
# On a CPU torch computes a layer that reads up to 20480 values by another algorithm, whose sums differ in the last bit:
# no tile is chosen so small that three values a pixel are no more than that.
SMALLEST_AREA = 84**2
TRIAL_SIDE = 32  # of the tile whose memory is measured
MEMORY_SHARE = 0.6  # of free memory, for the tiles at work; the rest is the image's and other programs'

log = logging.getLogger(__name__)


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

    def kept(self, scale: int) -> tuple[slice, slice]:
        """Which rows and columns of its own result are kept, in HR pixels."""
        rows, cols = (
            slice(scale * (span.keep_start - span.start), scale * (span.keep_stop - span.start)) for span in self
        )
        return rows, cols

    def place(self, scale: int) -> tuple[slice, slice]:
        """Where these lie in the result of the whole image."""
        rows, cols = (slice(scale * span.keep_start, scale * span.keep_stop) for span in self)
        return rows, cols


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


class Canvas(NamedTuple):
    """How tiles are made, and what becomes of results: ``convert`` on the device, then ``paste`` on the CPU."""

    cut: Callable[[Tile], Tensor]
    convert: Callable[[Tensor], Tensor]
    paste: Callable[[Tile, Tensor], None]


class TiledRun:
    """Cuts, runs and pastes the tiles of one image after another.

    ``overlap`` in LR pixels; ``tiling`` says the rest. What memory has taught about one image holds for the next.
    Raises ValueError for sizes that cannot be.
    """

    def __init__(self, engine: Engine, info: ModelInfo, tiling: Tiling, overlap: int) -> None:
        for name, value, least in (("tile", tiling.size, 1), ("overlap", overlap, 0), ("batch", tiling.batch, 1)):
            if isinstance(value, int) and value < least:
                raise ValueError(f"expected {name} of {least} or more, found {value}")
        self.engine = engine
        self.info = info
        self.size = tiling.size
        self.batch = tiling.batch
        self.overlap = overlap
        self.grid: Grid | None = None
        """The tiles of the last image."""
        self._area: int | None = None  # once memory has not sufficed, no tile is larger

    def __call__(self, size: Size, canvas: Canvas, progress: Progress | None = None) -> None:
        """Give each tile of the canvas to the network, and what is kept of the result to the canvas.

        Out of memory, it begins again with smaller tiles; where a half precision overflows, again in fp32: the canvas
        may get the same place twice. Raises ValueError for a tiling that cannot be, NotFiniteError, and the device's
        own error where memory does not suffice for the smallest tile.
        """
        while True:
            self.grid = self.plan(size)
            try:
                self._run(self.grid, canvas, progress)
                return
            except NotFiniteError:
                if self.engine.precision in ("fp32", "exact"):
                    raise
                log.warning("%s overflowed in this network; going on in fp32", self.engine.precision)
                self.engine.to_fp32()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or not self._reduce(self.grid, size):
                    raise
            # out of the handler, where the error no longer holds the failed tile's tensors
            if self.engine.device.type == "cuda":
                torch.cuda.empty_cache()

    def plan(self, size: Size) -> Grid:
        """The tiles of an image of that size. Raises ValueError where tile size and overlap contradict each other."""
        grid = self._planned(size)
        if grid is None:
            raise ValueError(
                f"expected tiles larger than twice the overlap of {self.overlap} pixels, and memory for them, found"
                f" tile size {self.size} for an image of {size.width}x{size.height}; give a larger --tile or a smaller"
                " --overlap"
            )
        return grid

    def _planned(self, size: Size) -> Grid | None:
        if isinstance(self.size, int) and self._area is None:
            return square_grid(size, self.size, self.overlap, self.info.grid)
        pixels = size.height * size.width
        if self._area is not None or (self.size == "none" and self._fits_in_memory(size)):
            return plan_grid(size, self._area or pixels, self.overlap, self.info.grid)
        # for large overlaps, what is enough for speed leaves nothing of a tile: then as much as memory allows
        areas = (area() for area in (lambda: self._affordable_area(pixels), self._area_in_memory))
        return next(filter(None, (plan_grid(size, area, self.overlap, self.info.grid) for area in areas)), None)

    def _run(self, grid: Grid, canvas: Canvas, progress: Progress | None) -> None:
        tiles, done = iter(grid), 0
        waiting: tuple[list[Tile], PendingBatch] | None = None
        while batch := list(islice(tiles, self._batch(grid))):
            pending = self._submit(batch, canvas)
            if waiting:
                _paste(*waiting, canvas)  # while a GPU computes the batch just submitted
            waiting = batch, pending
            done += len(batch)
            if progress:
                progress(done, len(grid))
        assert waiting
        _paste(*waiting, canvas)

    def _submit(self, batch: Sequence[Tile], canvas: Canvas) -> PendingBatch:
        def finish(tile: Tile, values: Tensor) -> Tensor:
            rows, cols = tile.kept(self.info.scale)
            return canvas.convert(values[:, rows, cols])

        return self.engine.submit(
            torch.stack([canvas.cut(tile) for tile in batch]), [partial(finish, tile) for tile in batch]
        )

    def _batch(self, grid: Grid) -> int:
        if self.batch != "auto":
            return self.batch
        # a CPU gains nothing by more tiles at a time, a GPU by as many as fill it
        return 1 if self.engine.device.type == "cpu" else max(1, min(LARGEST_AREA["cuda"] // 4 // grid.area, len(grid)))

    def _reduce(self, grid: Grid, size: Size) -> bool:
        """Halve the batch or the tile; False where nothing is left to halve."""
        batch = self._batch(grid)
        if batch > 1:
            self.batch = batch // 2
            log.warning("out of memory with %d tiles at a time; going on with %d", batch, self.batch)
            return True
        # near the smallest tile that overlap allows, less than half is all there is to give up
        areas = (grid.area // 2, grid.area * 3 // 4, grid.area * 7 // 8)
        plans = (plan_grid(size, area, self.overlap, self.info.grid) for area in areas)
        smaller = next(filter(None, plans), None)
        if smaller is None:
            return False
        self._area = smaller.area
        whole = "the whole image at once" if len(grid) == 1 else "tiles"
        shapes = (*grid.shape[::-1], *smaller.shape[::-1], self.overlap)
        log.warning("out of memory with " + whole + " of %dx%d; going on with tiles of %dx%d, overlap %d", *shapes)
        return True

    def _fits_in_memory(self, size: Size) -> bool:
        """Whether a whole image may be tried at once: a CPU's system would end the program rather than say no."""
        pixels = size.height * size.width
        if self.engine.device.type != "cpu" or pixels <= (4 * TRIAL_SIDE) ** 2:
            return True
        if pixels * self._bytes_per_pixel <= free_memory(self.engine.device):
            return True
        shape = (size.width, size.height, self.overlap)
        log.warning("memory does not suffice for %dx%d at once; going on with tiles, overlap %d", *shape)
        return False

    def _affordable_area(self, pixels: int) -> int:
        enough = LARGEST_AREA[self.engine.device.type]
        if pixels <= min(enough, (4 * TRIAL_SIDE) ** 2):
            return pixels  # not worth a trial
        return max(min(enough, self._area_in_memory()), SMALLEST_AREA)

    def _area_in_memory(self) -> int:
        return int(MEMORY_SHARE * free_memory(self.engine.device) / self._bytes_per_pixel)

    @cached_property
    def _bytes_per_pixel(self) -> float:
        trial = torch.zeros(1, self.info.channels, TRIAL_SIDE, TRIAL_SIDE, device=self.engine.device)
        return max(bytes_per_pixel(self.engine, trial), 1.0)


def _paste(batch: Sequence[Tile], pending: PendingBatch, canvas: Canvas) -> None:
    for tile, part in zip(batch, pending.wait(), strict=True):
        canvas.paste(tile, part)

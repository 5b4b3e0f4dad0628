"""Running all tiles of an image, with smaller ones where memory does not suffice."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property
from itertools import islice

import torch

from usrda_plugin.inference.engine import Engine
from usrda_plugin.inference.memory import bytes_per_pixel, free_memory, is_out_of_memory
from usrda_plugin.inference.model_info import Traits
from usrda_plugin.inference.pending_batch import Canvas, Launched, NotFiniteError, launch
from usrda_plugin.inference.tiles import Grid, Size, Tiling, plan_grid, square_grid

Progress = Callable[[int, int], None]

# pixels of a tile: beyond these it gets no faster, only larger
ENOUGH = {"cpu": 256**2, "cuda": 1024**2}
# On a CPU torch computes a layer that reads up to 20480 values by another algorithm, whose sums differ in the last bit:
# no tile is chosen so small that three values a pixel are no more than that.
LEAST = 84**2
TRIAL = 32  # side of the tile whose memory is measured
SHARE = 0.6  # of free memory, for the tiles at work; the rest is the image's and other programs'

log = logging.getLogger(__name__)


class TiledRun:
    """Cuts, runs and pastes the tiles of one image after another.

    ``overlap`` in LR pixels; ``tiling`` says the rest. What memory has taught about one image holds for the next.
    Raises ValueError for sizes that cannot be.
    """

    def __init__(self, engine: Engine, traits: Traits, tiling: Tiling, overlap: int) -> None:
        for name, value, least in (("tile", tiling.size, 1), ("overlap", overlap, 0), ("batch", tiling.batch, 1)):
            if isinstance(value, int) and value < least:
                raise ValueError(f"expected {name} of {least} or more, found {value}")
        self.engine = engine
        self.traits = traits
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
                if not is_out_of_memory(error) or not self._take_less(self.grid, size):
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
            return square_grid(size, self.size, self.overlap, self.traits.grid)
        pixels = size.height * size.width
        if self._area is not None or (self.size == "none" and self._has_room(size)):
            return plan_grid(size, self._area or pixels, self.overlap, self.traits.grid)
        # for large overlaps, what is enough for speed leaves nothing of a tile: then as much as memory allows
        areas = (area() for area in (lambda: self._affordable(pixels), self._area_in_memory))
        return next(filter(None, (plan_grid(size, area, self.overlap, self.traits.grid) for area in areas)), None)

    def _run(self, grid: Grid, canvas: Canvas, progress: Progress | None) -> None:
        tiles, done = iter(grid), 0
        waiting: Launched | None = None
        while batch := list(islice(tiles, self._batch(grid))):
            launched = launch(self.engine, batch, self.traits.scale, canvas)
            if waiting:
                waiting.paste(canvas)  # while a GPU computes the batch just launched
            waiting = launched
            done += len(batch)
            if progress:
                progress(done, len(grid))
        assert waiting
        waiting.paste(canvas)

    def _batch(self, grid: Grid) -> int:
        if self.batch != "auto":
            return self.batch
        # a CPU gains nothing by more tiles at a time, a GPU by as many as fill it
        return 1 if self.engine.device.type == "cpu" else max(1, min(ENOUGH["cuda"] // 4 // grid.area, len(grid)))

    def _take_less(self, grid: Grid, size: Size) -> bool:
        """Halve the batch or the tile; False where nothing is left to halve."""
        batch = self._batch(grid)
        if batch > 1:
            self.batch = batch // 2
            log.warning("out of memory with %d tiles at a time; going on with %d", batch, self.batch)
            return True
        # near the smallest tile that overlap allows, less than half is all there is to give up
        areas = (grid.area // 2, grid.area * 3 // 4, grid.area * 7 // 8)
        plans = (plan_grid(size, area, self.overlap, self.traits.grid) for area in areas)
        smaller = next(filter(None, plans), None)
        if smaller is None:
            return False
        self._area = smaller.area
        whole = "the whole image at once" if len(grid) == 1 else "tiles"
        shapes = (*grid.shape[::-1], *smaller.shape[::-1], self.overlap)
        log.warning("out of memory with " + whole + " of %dx%d; going on with tiles of %dx%d, overlap %d", *shapes)
        return True

    def _has_room(self, size: Size) -> bool:
        """Whether a whole image may be tried at once: a CPU's system would end the program rather than say no."""
        pixels = size.height * size.width
        if self.engine.device.type != "cpu" or pixels <= (4 * TRIAL) ** 2:
            return True
        if pixels * self._bytes_per_pixel <= free_memory(self.engine.device):
            return True
        shape = (size.width, size.height, self.overlap)
        log.warning("memory does not suffice for %dx%d at once; going on with tiles, overlap %d", *shape)
        return False

    def _affordable(self, pixels: int) -> int:
        enough = ENOUGH[self.engine.device.type]
        if pixels <= min(enough, (4 * TRIAL) ** 2):
            return pixels  # not worth a trial
        return max(min(enough, self._area_in_memory()), LEAST)

    def _area_in_memory(self) -> int:
        return int(SHARE * free_memory(self.engine.device) / self._bytes_per_pixel)

    @cached_property
    def _bytes_per_pixel(self) -> float:
        trial = torch.zeros(1, self.traits.channels, TRIAL, TRIAL, device=self.engine.device)
        return max(bytes_per_pixel(self.engine, trial), 1.0)

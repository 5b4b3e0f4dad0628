"""``Upscaler``: whole images through a network."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from copy import deepcopy
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from usrda_plugin.data.pictures import as_unit
from usrda_plugin.inference.engine import Engine, Precision, choose_device
from usrda_plugin.inference.memory import check_room, no_room
from usrda_plugin.inference.model_info import Traits, measure_traits
from usrda_plugin.inference.pending_batch import Canvas, Cut
from usrda_plugin.inference.receptive_field import full_radius, receptive_radius
from usrda_plugin.inference.tiled import Progress, TiledRun
from usrda_plugin.inference.tiles import Size, Tile, Tiling

# In cells of the features: a field of at most the first is covered, so that tiles are exact; of a larger one the
# second, beyond which trained networks changed less than a hundredth of an 8-bit level.
EXACT_CELLS, CELLS = 24, 16
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as OpenCV turns RGB into gray
DEFAULT = Tiling()

Levels = Callable[[np.ndarray], np.ndarray]


class Upscaler:
    """Super-resolves images of any size with one network, tile by tile.

    Args:
        network: an LR image (B, C, h, w) in [0, 1] to an HR image. It is taken over: moved, converted, made fast.
        tiling: how images are cut.
        device: "auto", "cpu", "cuda" or "cuda:NUMBER".
        precision: "auto" (fp16 on a GPU, fp32 on a CPU), "fp32", "exact" (fp32, BasicSR's very values), "bf16", "fp16".

    Raises:
        ValueError: what is asked for cannot be had, or the network is none of images.
    """

    def __init__(
        self, network: nn.Module, tiling: Tiling = DEFAULT, *, device: str = "auto", precision: Precision = "auto"
    ) -> None:
        where = choose_device(device)
        network = network.cpu().float().eval()
        self.traits = measure_traits(network)
        self.scale = self.traits.scale
        overlap = choose_overlap(network, self.traits, tiling)
        self.engine = Engine(network, where, precision)
        self.tiled = TiledRun(self.engine, self.traits, tiling, overlap)

    @torch.inference_mode()
    def __call__(self, image: Tensor, progress: Progress | None = None) -> Tensor:
        """(C, h, w) or (B, C, h, w), RGB in [0, 1], to the HR image: float32 on the CPU, not clamped."""
        if image.dim() == 4:
            return torch.stack([self(single, progress) for single in image])
        canvas: dict[str, Tensor] = {}
        height, width = (self.scale * side for side in image.shape[1:])

        def paste(tile: Tile, part: Tensor) -> None:
            if "image" not in canvas:
                canvas["image"] = torch.from_numpy(_canvas((part.shape[0], height, width), (height, width), np.float32))
            rows, cols = self._kept(tile)
            target = canvas["image"][:, rows, cols]
            target.copy_(part[:, : target.shape[1], : target.shape[2]])

        source = self._padded(image.detach().cpu().float().permute(1, 2, 0).numpy())
        self.tiled(Size(*source.shape[:2]), Canvas(_cut(source), lambda part: part, paste), progress)
        return canvas["image"]

    def levels(self, image: np.ndarray, progress: Progress | None = None) -> np.ndarray:
        """8 or 16 bit levels, (h, w, 3) RGB or (h, w) gray, to as many bits and channels, rounded as BasicSR rounds.

        Raises ValueError where the network wants another number of channels, NoRoomError where memory does not suffice
        for the result.
        """
        gray = image.ndim == 2
        if not gray and self.traits.channels == 1:
            raise ValueError("expected a gray image for a network of one channel, found a colour image")
        source = np.repeat(image[..., None], self.traits.channels, axis=2) if gray else image
        top = float(np.iinfo(image.dtype).max)
        height, width = (self.scale * side for side in image.shape[:2])
        canvas = _canvas((height, width, *image.shape[2:]), (height, width), image.dtype)

        kind = torch.uint8 if image.dtype == np.uint8 else torch.int32  # not all of torch takes uint16

        def convert(part: Tensor) -> Tensor:
            part = _as_gray(part) if gray else part
            return part.clamp(0, 1).mul(top).round().permute(1, 2, 0).to(kind)

        def paste(tile: Tile, part: Tensor) -> None:
            pixels = part.numpy()
            target = canvas[self._kept(tile)]
            target[...] = (pixels[..., 0] if gray else pixels)[: target.shape[0], : target.shape[1]]

        source = self._padded(source)
        self.tiled(Size(*source.shape[:2]), Canvas(_cut(source, as_unit), convert, paste), progress)
        return canvas

    def _kept(self, tile: Tile) -> tuple[slice, slice]:
        rows, cols = (slice(self.scale * span.keep_start, self.scale * span.keep_stop) for span in tile)
        return rows, cols

    def _padded(self, image: np.ndarray) -> np.ndarray:
        """The image (h, w, C) mirrored up to what the network wants its sides to be multiples of."""
        excess = [-side % self.traits.multiple for side in image.shape[:2]]
        if not any(excess):
            return image
        return np.pad(image, [(0, excess[0]), (0, excess[1]), (0, 0)], mode="reflect")


def super_resolve(network: nn.Module, image: Tensor, tiling: Tiling = DEFAULT) -> Tensor:
    """An image (C, h, w) or a batch (B, C, h, w) in [0, 1] through ``network`` in fp32, where the image is.

    The network stays as it is. For several images an ``Upscaler`` is faster; it also has the errors.
    """
    upscaler = Upscaler(deepcopy(network), tiling, device=str(image.device), precision="fp32")
    return upscaler(image).to(image.device)


def choose_overlap(network: nn.Module, traits: Traits, tiling: Tiling) -> int:
    """The overlap in LR pixels that a tiling means for a network. Raises ValueError where "full" has no bound."""
    if isinstance(tiling.overlap, int):
        return tiling.overlap
    if tiling.overlap == "full":
        # the whole image needs no overlap; tiles do where memory does not suffice for it, even if none makes them exact
        with suppress(ValueError) if tiling.size == "none" else nullcontext():
            return full_radius(network, traits)
    radius = receptive_radius(network, traits, EXACT_CELLS * traits.shrink)
    return CELLS * traits.shrink if radius is None else radius


def _canvas(shape: tuple[int, ...], size: tuple[int, int], kind: type | np.dtype[Any]) -> np.ndarray:
    """Room for a result of that height and width. Raises NoRoomError, which says what it needs."""
    needed = prod(shape) * np.dtype(kind).itemsize
    check_room("its result", size, needed)
    try:
        return np.empty(shape, kind)
    except MemoryError:
        raise no_room("its result", size, needed) from None


def _cut(source: np.ndarray, as_float: Levels = lambda part: part) -> Cut:
    def cut(tile: Tile) -> Tensor:
        part = source[tile.rows.start : tile.rows.stop, tile.cols.start : tile.cols.stop]
        return torch.from_numpy(np.array(as_float(part).transpose(2, 0, 1), order="C"))

    return cut


def _as_gray(part: Tensor) -> Tensor:
    if part.shape[0] == 1:
        return part
    red, green, blue = part  # weighed by plain numbers: a tensor of weights would make a GPU wait for its copy
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue)[None]

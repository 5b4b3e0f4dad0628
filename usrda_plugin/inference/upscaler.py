"""``Upscaler``: whole images through a network, and pictures with all that they carry."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from copy import deepcopy
from math import prod
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from usrda_plugin.choices import AlphaBy, Precision
from usrda_plugin.data.pictures import Picture, as_unit
from usrda_plugin.inference.engine import Engine, choose_device
from usrda_plugin.inference.memory import NotEnoughMemoryError, check_memory
from usrda_plugin.inference.model_info import ModelInfo, full_radius, measure_model, receptive_radius
from usrda_plugin.inference.tiles import Canvas, Progress, Size, Tile, TiledRun, Tiling

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
        self.info = measure_model(network)
        self.scale = self.info.scale
        overlap = choose_overlap(network, self.info, tiling)
        self.engine = Engine(network, where, precision)
        self.tiled = TiledRun(self.engine, self.info, tiling, overlap)

    @torch.inference_mode()
    def __call__(self, image: Tensor, progress: Progress | None = None) -> Tensor:
        """(C, h, w) or (B, C, h, w), RGB in [0, 1], to the HR image: float32 on the CPU, not clamped."""
        if image.dim() == 4:
            return torch.stack([self(single, progress) for single in image])
        result: Tensor | None = None
        height, width = (self.scale * side for side in image.shape[1:])

        def paste(tile: Tile, part: Tensor) -> None:
            nonlocal result
            if result is None:  # how many channels it has, the network says
                result = torch.from_numpy(_canvas((part.shape[0], height, width), (height, width), np.float32))
            rows, cols = tile.place(self.scale)
            target = result[:, rows, cols]
            target.copy_(part[:, : target.shape[1], : target.shape[2]])

        source = self._padded(image.detach().cpu().float().permute(1, 2, 0).numpy())
        self.tiled(Size(*source.shape[:2]), Canvas(_cut(source), lambda part: part, paste), progress)
        assert result is not None
        return result

    def levels(self, image: np.ndarray, progress: Progress | None = None) -> np.ndarray:
        """8 or 16 bit levels, (h, w, 3) RGB or (h, w) gray, to as many bits and channels, rounded as BasicSR rounds.

        Raises ValueError where the network wants another number of channels, NotEnoughMemoryError.
        """
        gray = image.ndim == 2
        if not gray and self.info.channels == 1:
            raise ValueError("expected a gray image for a network of one channel, found a colour image")
        source = np.repeat(image[..., None], self.info.channels, axis=2) if gray else image
        top = float(np.iinfo(image.dtype).max)
        height, width = (self.scale * side for side in image.shape[:2])
        canvas = _canvas((height, width, *image.shape[2:]), (height, width), image.dtype)

        kind = torch.uint8 if image.dtype == np.uint8 else torch.int32  # not all of torch takes uint16

        def convert(part: Tensor) -> Tensor:
            part = _as_gray(part) if gray else part
            return part.clamp(0, 1).mul(top).round().permute(1, 2, 0).to(kind)

        def paste(tile: Tile, part: Tensor) -> None:
            pixels = part.numpy()
            target = canvas[tile.place(self.scale)]
            target[...] = (pixels[..., 0] if gray else pixels)[: target.shape[0], : target.shape[1]]

        source = self._padded(source)
        self.tiled(Size(*source.shape[:2]), Canvas(_cut(source, as_unit), convert, paste), progress)
        return canvas

    def _padded(self, image: np.ndarray) -> np.ndarray:
        """The image (h, w, C) mirrored up to what the network wants its sides to be multiples of."""
        excess = [-side % self.info.multiple for side in image.shape[:2]]
        if not any(excess):
            return image
        return np.pad(image, [(0, excess[0]), (0, excess[1]), (0, 0)], mode="reflect")


def super_resolve(network: nn.Module, image: Tensor, tiling: Tiling = DEFAULT) -> Tensor:
    """An image (C, h, w) or a batch (B, C, h, w) in [0, 1] through ``network`` in fp32, where the image is.

    The network stays as it is. For several images an ``Upscaler`` is faster; it also has the errors.
    """
    upscaler = Upscaler(deepcopy(network), tiling, device=str(image.device), precision="fp32")
    return upscaler(image).to(image.device)


def upscale_picture(
    upscaler: Upscaler, picture: Picture, alpha_by: AlphaBy = "network", progress: Progress | None = None
) -> Picture:
    """The HR picture, with as many bits and channels and all else that the LR picture carries.

    Colours beneath full transparency are those of the nearest pixel that is seen. Alpha goes through the network as a
    gray image, or is enlarged by bicubic interpolation; it stays 0 or full where it is so all around.
    Raises ValueError for what the network does not take.
    """
    alpha = None if picture.alpha is None else _enlarge_alpha(upscaler, picture.alpha, alpha_by)
    colour = picture.colour if picture.alpha is None else spread_visible_colours(picture.colour, picture.alpha)
    return picture._replace(colour=upscaler.levels(colour, progress), alpha=alpha)


def choose_overlap(network: nn.Module, info: ModelInfo, tiling: Tiling) -> int:
    """The overlap in LR pixels that a tiling means for a network. Raises ValueError where "full" has no bound."""
    if isinstance(tiling.overlap, int):
        return tiling.overlap
    if tiling.overlap == "full":
        # the whole image needs no overlap; tiles do where memory does not suffice for it, even if none makes them exact
        with suppress(ValueError) if tiling.size == "none" else nullcontext():
            return full_radius(network, info)
    radius = receptive_radius(network, info, EXACT_CELLS * info.shrink)
    return CELLS * info.shrink if radius is None else radius


def _canvas(shape: tuple[int, ...], size: tuple[int, int], kind: type | np.dtype[Any]) -> np.ndarray:
    """Room for a result of that height and width. Raises NotEnoughMemoryError, which says what it needs."""
    needed = prod(shape) * np.dtype(kind).itemsize
    check_memory("its result", size, needed)
    try:
        return np.empty(shape, kind)
    except MemoryError:
        raise NotEnoughMemoryError("its result", size, needed) from None


def _cut(source: np.ndarray, as_float: Levels = lambda part: part) -> Callable[[Tile], Tensor]:
    def cut(tile: Tile) -> Tensor:
        part = source[tile.rows.start : tile.rows.stop, tile.cols.start : tile.cols.stop]
        return torch.from_numpy(np.array(as_float(part).transpose(2, 0, 1), order="C"))

    return cut


def _as_gray(part: Tensor) -> Tensor:
    if part.shape[0] == 1:
        return part
    red, green, blue = part  # weighed by plain numbers: a tensor of weights would make a GPU wait for its copy
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue)[None]


def _enlarge_alpha(upscaler: Upscaler, alpha: np.ndarray, alpha_by: AlphaBy) -> np.ndarray:
    height, width = (upscaler.scale * side for side in alpha.shape)
    if alpha.min() == alpha.max():  # most often opaque all over
        return np.full((height, width), alpha.flat[0], alpha.dtype)
    if alpha_by == "network":
        return _keep_flat_alpha(alpha, upscaler.levels(alpha))
    return cv2.resize(alpha, (width, height), interpolation=cv2.INTER_CUBIC)


def spread_visible_colours(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Give each pixel whose ``alpha`` (h, w) is 0 the colour of the nearest one that is seen.

    A network or an interpolation mixes neighbours, so black that is stored beneath a white disc's surroundings would
    darken its rim. ``colour``: levels, (h, w, 3) or (h, w); it is returned as it is where all or nothing is seen.
    """
    is_hidden = alpha == 0
    if not is_hidden.any() or is_hidden.all():
        return colour
    _, labels = cv2.distanceTransformWithLabels(
        is_hidden.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    seen = np.flatnonzero(~is_hidden)
    place_of = np.zeros(int(labels.max()) + 1, np.int64)
    place_of[labels.reshape(-1)[seen]] = seen
    return colour.reshape(-1, *colour.shape[2:])[place_of[labels]]


def _keep_flat_alpha(alpha: np.ndarray, enlarged: np.ndarray) -> np.ndarray:
    """Return the ``enlarged`` alpha with 0 where ``alpha`` is 0 all around, and the largest level where it is that.

    A network answers a flat area with a level or two beside it, and more at the borders: a veil where nothing was.
    """
    top = np.iinfo(alpha.dtype).max
    around = np.ones((3, 3), np.uint8)
    size = enlarged.shape[::-1]
    for level, is_plain in ((0, cv2.dilate(alpha, around) == 0), (top, cv2.erode(alpha, around) == top)):
        mask = cv2.resize(is_plain.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        enlarged[mask.astype(bool)] = level
    return enlarged

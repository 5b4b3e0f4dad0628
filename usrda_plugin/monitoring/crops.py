"""The fixed crops on which the signals are measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from basicsr.utils.registry import DATASET_REGISTRY
from torch import Tensor

from usrda_plugin.data import ImageSource, sample_rng
from usrda_plugin.data.patches import Corner, to_tensor
from usrda_plugin.data.pictures import as_unit

STEP = 8
"""Sides of crops are a multiple of it, so that every encoder and every cell fits."""
LEAST = 32
"""Smallest side that has a spectrum."""
SEED = 0


class Crops(NamedTuple):
    """As many source as target LR crops of one size: RGB in [0, 1], (images, 3, side, side)."""

    x_s: Tensor
    x_t: Tensor


def fixed_crops(dataset_opt: Mapping[str, Any], images: int, size: int) -> Crops:
    """The centres of ``images`` target photographs, evenly spaced in their list, and places of as many source images.

    The side is ``size`` LR pixels, or less where a photograph is smaller. The options are those of the training data,
    whose classes read, shrink and round, and take by the camera where ``degradation`` says so. Raises ValueError that
    names a photograph below 32 pixels.
    """
    opt = {**dataset_opt, "cache_in_memory": False}
    # the first is asked for sizes alone: a camera is estimated once
    dataset: Any = DATASET_REGISTRY.get(opt["type"])({**opt, "degradation": "bicubic"})
    chosen = evenly_spaced(len(dataset.target), min(images, len(dataset.target)))
    sources = evenly_spaced(len(dataset.source), len(chosen))
    side = min(
        [size, *(_side(dataset.target, index) for index in chosen)]
        + [_side(dataset.source, index, dataset.scale) for index in sources]
    )
    side -= side % STEP
    whole: Any = DATASET_REGISTRY.get(opt["type"])({**opt, "gt_size": side * dataset.scale})
    x_s = [whole.pairs.draw(sample_rng(SEED, number), index).lq for number, index in enumerate(sources)]
    x_t = [_centre(dataset.target, index, side) for index in chosen]
    return Crops(torch.stack([to_tensor(crop) for crop in x_s]), torch.stack(x_t))


def evenly_spaced(count: int, wanted: int) -> list[int]:
    """``wanted`` numbers below ``count``, evenly spaced; some come again where there are fewer."""
    return [number * count // wanted for number in range(wanted)]


def _side(images: ImageSource, index: int, scale: int = 1) -> int:
    shorter = min(images.size(index))
    if shorter < LEAST * scale:
        raise ValueError(
            f"val: signals: expected images of at least {LEAST * scale} pixels a side, found {shorter} in "
            f"{images.path(index)}; remove the image, or this block"
        )
    return shorter // scale


def _centre(images: ImageSource, index: int, side: int) -> Tensor:
    with images.opened(index) as image:
        height, width = image.shape[:2]
        return to_tensor(as_unit(Corner((height - side) // 2, (width - side) // 2).cut(image, side)))

"""How images are cut into the tiles of an LMDB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


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
        for name in ("multiple", "crop", "step"):
            length = getattr(self, name)
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

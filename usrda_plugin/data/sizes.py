"""How large images must be, and which are not."""

from __future__ import annotations

from usrda_plugin.data.camera import PATCH
from usrda_plugin.data.degradation import kernel_reach
from usrda_plugin.data.images import ImageSource

FOR_PATCHES = "choose a smaller gt_size"
FOR_CAMERA = "write degradation: bicubic, since a camera is estimated from patches of that size"
"""What to do where an image is too small, beside removing it."""


def room_for_camera(scale: int) -> int:
    """Tell how many HR pixels a side is shrunk from at which a camera is estimated."""
    return PATCH * scale + 2 * kernel_reach(scale)


def least_side(patch: int, for_camera: int) -> tuple[int, str]:
    """Tell the side that images must have, and what else to do where one is shorter than to remove it."""
    return (patch, FOR_PATCHES) if patch >= for_camera else (for_camera, FOR_CAMERA)


def refuse_small(path: str, shape: tuple[int, ...], least: int, remedy: str = FOR_PATCHES) -> None:
    """Raise ValueError that names the image if a side is shorter than ``least`` pixels."""
    if min(shape[:2]) < least:
        raise ValueError(
            f"{path} is {shape[0]}x{shape[1]} (height x width), smaller than a patch of {least}x{least}; "
            f"remove it or {remedy}"
        )


def small_or_unreadable(source: ImageSource, least: int, remedy: str = FOR_PATCHES) -> list[str]:
    """Describe each image that is unreadable or has a side shorter than ``least`` pixels."""
    faults = []
    for index in range(len(source)):
        try:
            refuse_small(source.path(index), source.size(index), least, remedy)
        except (ValueError, OSError) as error:
            faults.append(str(error))
    return faults

"""The images of one root, and how large each is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from usrda_plugin.options.faults import Keys

if TYPE_CHECKING:
    from usrda_plugin.data.images import ImageSource

HEADERS = 5000  # images of a root that are looked at, each by its first and last bytes
Size = tuple[int, int]
Shapes = dict[str, Size | None]
Item = TypeVar("Item")


@dataclass
class ImageRoot:
    """The images of one root, by name, as an option at ``keys`` says.

    ``domain`` is ``hr`` or ``lr``. ``shapes``: (height, width) in pixels by an LMDB's list, None where it does not say;
    None for a folder. ``source``: the same images as one of our data sets has them.
    ``reasons``: why an image that was looked at is of no use, by its name.
    """

    keys: Keys
    domain: str
    path: Path
    names: list[str]
    shapes: Shapes | None = None
    source: ImageSource | None = None
    sizes: dict[str, Size | None] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)

    def size(self, name: str) -> Size | None:
        """(height, width) of an image in pixels, upright, from its header; None where it is unreadable."""
        if name not in self.sizes:
            self.sizes[name] = self._look(name)
        return self.sizes[name]

    def _look(self, name: str) -> Size | None:
        from usrda_plugin.data.backends import open_store
        from usrda_plugin.data.pictures import UnreadableError, upright_size

        try:
            with open_store(self.path).open(name) as file:
                size = upright_size(file, name)
        except (ValueError, OSError) as error:
            told = error.reason if isinstance(error, UnreadableError) else getattr(error, "strerror", None)
            self.reasons[name] = f"{name}: {told or error}"
            return None
        said = (self.shapes or {}).get(name) or size
        if said != size:
            self.reasons[name] = f"{name} is {size[0]}x{size[1]}, but meta_info.txt says {said[0]}x{said[1]}"
            return None
        return size


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most so many of ``items``, evenly spread."""
    if len(items) <= most:
        return list(items)
    return [items[index * len(items) // most] for index in range(most)]

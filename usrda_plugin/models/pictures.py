"""PNG files written by background threads."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import cv2
from torch import Tensor

from usrda_plugin.metrics import picture_of
from usrda_plugin.weights.writing import SaveError

THREADS = min(4, os.cpu_count() or 1)
WAITING = 2 * THREADS
"""Pictures that may wait to be written; whoever brings another waits for the oldest."""


class PictureWriter:
    """A context in which pictures are written behind the caller's back, and at whose end all of them are there.

    A file appears under its name when it is whole. What fails is raised by a later ``write`` or at the end: SaveError
    that names the file.
    """

    def __init__(self) -> None:
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="picture-writer")
        self.waiting: dict[Path, Future[None]] = {}

    def write(self, path: Path, levels: Tensor) -> None:
        """Write levels (C, H, W), RGB or gray uint8 on any device, to a PNG file, whose folder is made."""
        if path in self.waiting:
            self.waiting.pop(path).result()  # two images of one name: the later stays, as in a loop
        while len(self.waiting) >= WAITING:
            self.waiting.pop(next(iter(self.waiting))).result()
        self.waiting[path] = self.threads.submit(write_png, path, levels)

    def __enter__(self) -> PictureWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.threads.shutdown(wait=True)
        if error is None:
            for written in self.waiting.values():
                written.result()


def write_png(path: Path, levels: Tensor) -> None:
    """Write levels (C, H, W) to a PNG file by way of a temporary name. Raises SaveError that names the file."""
    partial = path.with_name(f"{path.name}.part")
    try:
        _, content = cv2.imencode(".png", picture_of(levels))
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content.tobytes())
        partial.replace(path)
    except (OSError, cv2.error) as error:
        with suppress(OSError):  # of a folder that is not there either
            partial.unlink(missing_ok=True)
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise SaveError(f"{path}: the picture could not be written: {reason}") from error

"""Many image files through one network: reading ahead, writing behind, in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import NamedTuple

import cv2
import numpy as np

from usrda_plugin.choices import AlphaBy
from usrda_plugin.data.pictures import Picture, check_size, read_picture, write_picture
from usrda_plugin.inference.jobs import Job
from usrda_plugin.inference.memory import is_out_of_memory
from usrda_plugin.inference.tiled import Progress
from usrda_plugin.inference.transparency import carry_colours_outwards
from usrda_plugin.inference.upscaler import Upscaler

AHEAD = 2  # images read before their turn
BEHIND = 1  # results that wait to be written; they are large


class Failure(NamedTuple):
    """An image that was not upscaled, and why."""

    job: Job
    reason: str

    def __str__(self) -> str:
        told = any(self.reason.startswith(str(file)) for file in self.job)
        return self.reason if told else f"{self.job.source}: {self.reason}"


class Watcher(NamedTuple):
    """Who is told: the beginning of an image, its tiles, its end with its size in output pixels (0: it failed)."""

    begin: Callable[[Job], None] = lambda job: None
    tiles: Progress = lambda done, count: None
    end: Callable[[Job, int], None] = lambda job, pixels: None


def upscale_files(
    jobs: Sequence[Job], upscaler: Upscaler, *, alpha_by: AlphaBy = "network", watcher: Watcher | None = None
) -> list[Failure]:
    """Upscale each job's image; gives those that failed, after all others are done.

    Interrupted, it waits for the file that is being written and leaves none half done.
    """
    watcher = watcher or Watcher()
    failures: list[Failure] = []
    writing: deque[tuple[Job, int, Future[None]]] = deque()

    def settle(waiting: int) -> None:
        while len(writing) > waiting:
            job, pixels, future = writing.popleft()
            fault = _fault(future.exception())
            failures.extend([Failure(job, fault)] if fault else [])
            watcher.end(job, 0 if fault else pixels)

    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as writer:
        try:
            for job, future in _read_ahead(jobs, reader):
                watcher.begin(job)
                try:
                    picture = future.result()
                    check_size(job.target, *(upscaler.scale * side for side in picture.colour.shape[:2]))
                    result = upscale_picture(upscaler, picture, alpha_by, watcher.tiles)
                except Exception as error:
                    fault = _fault(error)
                    failures.append(Failure(job, fault))
                    watcher.end(job, 0)
                    continue
                pixels = result.colour.shape[0] * result.colour.shape[1]
                settle(BEHIND - 1)
                writing.append((job, pixels, writer.submit(write_picture, job.target, result)))
            settle(0)
        finally:
            for pool in (reader, writer):
                pool.shutdown(wait=False, cancel_futures=True)
    return failures


def upscale_picture(
    upscaler: Upscaler, picture: Picture, alpha_by: AlphaBy = "network", progress: Progress | None = None
) -> Picture:
    """The HR picture, with as many bits and channels and all else that the LR picture carries.

    Colours beneath full transparency are those of the nearest pixel that is seen. Alpha goes through the network as a
    gray image, or is enlarged by bicubic interpolation. Raises ValueError for what the network does not take.
    """
    alpha = None if picture.alpha is None else _enlarge_alpha(upscaler, picture.alpha, alpha_by)
    colour = picture.colour if picture.alpha is None else carry_colours_outwards(picture.colour, picture.alpha)
    return picture._replace(colour=upscaler.levels(colour, progress), alpha=alpha)


def _enlarge_alpha(upscaler: Upscaler, alpha: np.ndarray, alpha_by: AlphaBy) -> np.ndarray:
    height, width = (upscaler.scale * side for side in alpha.shape)
    if alpha.min() == alpha.max():  # most often opaque all over
        return np.full((height, width), alpha.flat[0], alpha.dtype)
    if alpha_by == "network":
        return upscaler.levels(alpha)
    return cv2.resize(alpha, (width, height), interpolation=cv2.INTER_CUBIC)


def _read_ahead(jobs: Sequence[Job], reader: ThreadPoolExecutor) -> Iterator[tuple[Job, Future[Picture]]]:
    reading = deque((job, reader.submit(read_picture, job.source)) for job in jobs[:AHEAD])
    later = iter(jobs[AHEAD:])
    while reading:
        yield reading.popleft()
        reading.extend((job, reader.submit(read_picture, job.source)) for job in islice(later, 1))


def _fault(error: BaseException | None) -> str:
    """What a user is told of an error of one image; "" for none. What only we can mend is raised."""
    if error is None:
        return ""
    if is_out_of_memory(error):
        return f"memory does not suffice even for the smallest tiles ({str(error).splitlines()[0]}); try --overlap 8"
    if isinstance(error, ValueError | OSError | cv2.error):
        return str(error)
    raise error

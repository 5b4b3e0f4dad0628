"""Many image files through one network: reading ahead, writing behind, in threads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image

from usrda_plugin.choices import AlphaBy
from usrda_plugin.data.pictures import Picture, check_size, left_out, read_picture, write_picture
from usrda_plugin.inference.memory import NotEnoughMemoryError, check_memory, is_out_of_memory
from usrda_plugin.inference.outputs import Job
from usrda_plugin.inference.tiles import Progress
from usrda_plugin.inference.upscaler import Upscaler, upscale_picture
from usrda_plugin.weights.writing import FULL

AHEAD = 2  # images read before their turn
BEHIND = 1  # results that wait to be written; they are large
COPIES = 2  # of a result in memory while it is written, at least
BYTES = {"P": 3, "RGB": 3, "RGBA": 4, "CMYK": 3, "YCbCr": 3, "LA": 2, "I;16": 2}  # by Pillow's mode, at least
UNKNOWN = (0, 0)
JPEG = (".jpg", ".jpeg")


class Failure(NamedTuple):
    """An image that was not upscaled, and why."""

    job: Job
    reason: str

    def __str__(self) -> str:
        is_named = any(self.reason.startswith(str(file)) for file in self.job)
        return self.reason if is_named else f"{self.job.source}: {self.reason}"


class Report(NamedTuple):
    """How many files ended: ``failures``; ``not_begun``, the images after a disk was found to be full."""

    failures: list[Failure]
    not_begun: Sequence[Job]


class ProgressCallbacks(NamedTuple):
    """Called at the beginning of an image, for its tiles, at its end with its size in output pixels (0: it failed).

    ``note``: what a user may not expect of an image that is upscaled.
    """

    begin: Callable[[Job], None] = lambda job: None
    tiles: Progress = lambda done, count: None
    end: Callable[[Job, int], None] = lambda job, pixels: None
    note: Callable[[Job, str], None] = lambda job, text: None


def upscale_files(
    jobs: Sequence[Job],
    upscaler: Upscaler,
    *,
    alpha_by: AlphaBy = "network",
    quality: int | None = None,
    callbacks: ProgressCallbacks | None = None,
) -> Report:
    """Upscale each job's image; gives those that failed, after all others are done, or the disk is full.

    ``quality`` of JPEG and WebP, 1 to 100. Interrupted, it waits for the file that is being written and leaves none
    half done.
    """
    callbacks = callbacks or ProgressCallbacks()

    def upscale(job: Job, future: Future[Picture]) -> Picture:
        picture = _finished(future, job, upscaler.scale, writer)
        if picture.frames > 1:
            callbacks.note(job, f"it has {picture.frames} frames or pages, of which the first is upscaled")
        lost = left_out(job.target, picture)
        if lost:
            callbacks.note(job, f"its result is without {', '.join(lost)}")
        return upscale_picture(upscaler, picture, alpha_by, callbacks.tiles)

    begun = 0
    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as pool:
        writer = _Writer(pool, callbacks, quality)
        try:
            for job, future in _read_ahead(jobs, reader, upscaler.scale):
                writer.settle(BEHIND)
                if writer.full:
                    break
                begun += 1
                callbacks.begin(job)
                try:
                    writer.write(job, upscale(job, future))  # no name holds an image longer than its turn
                except Exception as error:
                    writer.fail(job, _message(error))
            writer.settle()
        finally:
            for threads in (reader, pool):
                threads.shutdown(wait=False, cancel_futures=True)
    return Report(writer.failures, jobs[begun:])


class _Writer:
    """Writes results in a thread of its own, and remembers what failed."""

    def __init__(self, pool: ThreadPoolExecutor, callbacks: ProgressCallbacks, quality: int | None) -> None:
        self.failures: list[Failure] = []
        self.full = False
        self._pool, self._callbacks, self._quality = pool, callbacks, quality
        self._waiting: deque[tuple[Job, tuple[int, int], Future[None]]] = deque()

    def write(self, job: Job, result: Picture) -> None:
        """Write it when its turn comes; waits for those before."""
        self.settle(BEHIND - 1)
        future = self._pool.submit(write_picture, job.target, result, quality=self._quality)
        self._waiting.append((job, result.colour.shape[:2], future))

    def settle(self, waiting: int = 0) -> None:
        """Wait until no more than so many are not written, and look at those that are."""
        while self._waiting and (len(self._waiting) > waiting or self._waiting[0][2].done()):
            job, size, future = self._waiting.popleft()
            error = future.exception()
            if error is None:
                self._callbacks.end(job, size[0] * size[1])
            else:
                self.full |= isinstance(error, OSError) and error.errno in FULL
                self.fail(job, _writing_message(error, job, size))

    def fail(self, job: Job, reason: str) -> None:
        """Remember an image that failed."""
        self.failures.append(Failure(job, reason))
        self._callbacks.end(job, 0)


def _read_ahead(jobs: Sequence[Job], reader: ThreadPoolExecutor, scale: int) -> Iterator[tuple[Job, Future[Picture]]]:
    reading = deque((job, reader.submit(_read, job, scale)) for job in jobs[:AHEAD])
    later = iter(jobs[AHEAD:])
    while reading:
        yield reading.popleft()
        reading.extend((job, reader.submit(_read, job, scale)) for job in islice(later, 1))


def _finished(future: Future[Picture], job: Job, scale: int, writer: _Writer) -> Picture:
    """The image, read again where memory did not suffice beside what is done by now."""
    try:
        return future.result()
    except (NotEnoughMemoryError, MemoryError, cv2.error):
        writer.settle()
        return _read(job, scale)


def _read(job: Job, scale: int) -> Picture:
    """An image for which there is memory and whose result its file can hold. Raises ValueError where not, OSError."""
    size, bytes_of_pixel = _header(job.source)
    check_memory("the image", size, size[0] * size[1] * bytes_of_pixel)
    _check_result(job, size, scale, bytes_of_pixel)
    try:
        picture = read_picture(job.source)
    except Exception as error:
        if size != UNKNOWN and is_out_of_memory(error):
            raise NotEnoughMemoryError("the image", size, size[0] * size[1] * bytes_of_pixel) from None
        raise
    _check_result(job, picture.colour.shape[:2], scale, _bytes_of_pixel(picture))
    return _for_target(picture, job.target)


def _check_result(job: Job, size: tuple[int, ...], scale: int, bytes_of_pixel: int) -> None:
    height, width = (scale * side for side in size)
    check_size(job.target, height, width)
    check_memory("its result", (height, width), COPIES * height * width * bytes_of_pixel)


def _bytes_of_pixel(picture: Picture) -> int:
    planes = (picture.colour, picture.alpha)
    return sum(plane.nbytes // (plane.shape[0] * plane.shape[1]) for plane in planes if plane is not None)


def _for_target(picture: Picture, target: Path) -> Picture:
    """The picture as its format has it: without alpha in a JPEG. Raises ValueError where that would be seen."""
    if picture.alpha is None or target.suffix.lower() not in JPEG:
        return picture
    if picture.alpha.min() < np.iinfo(picture.alpha.dtype).max:
        raise ValueError(f"{target}: expected an opaque image for a JPEG, found alpha; write it as .png or .webp")
    return picture._replace(alpha=None)


def _header(file: Path) -> tuple[tuple[int, int], int]:
    """Height and width as the header says them and the least bytes of a pixel; UNKNOWN where Pillow cannot say."""
    with suppress(Exception), Image.open(file) as header:  # reading says what is wrong with it
        return (header.height, header.width), BYTES.get(header.mode, 1)
    return UNKNOWN, 1


def _message(error: Exception) -> str:
    """The message for an image that was not computed. An error that is no fault of user or machine is raised again."""
    if is_out_of_memory(error):
        return f"memory does not suffice even for the smallest tiles ({str(error).splitlines()[0]}); try --overlap 8"
    if isinstance(error, ValueError | OSError | cv2.error):
        return str(error)
    raise error


def _writing_message(error: BaseException, job: Job, size: tuple[int, ...]) -> str:
    """As ``_message``, of a result of that height and width."""
    if is_out_of_memory(error):
        return f"memory does not suffice to write its result of {size[1]}x{size[0]} pixels; cut the image into parts"
    if isinstance(error, OSError):
        return f"its result cannot be written to {job.target} ({error.strerror or error})"
    if isinstance(error, ValueError | cv2.error):
        return str(error)
    raise error

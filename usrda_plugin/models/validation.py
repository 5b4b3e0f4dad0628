"""Validation that never waits: images read ahead, metrics left on the device until the end, pictures written behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm  # type: ignore[import-untyped]

from usrda_plugin.metrics import levels_of
from usrda_plugin.models.measures import Found, Measures
from usrda_plugin.models.pictures import PictureWriter
from usrda_plugin.models.shares import Share

READ_AHEAD = 2
"""Samples that wait decoded while another is at work."""

Sample = dict[str, Any]


def validate(model: Any, dataloader: Any, current_iter: int | str, save_img: bool) -> dict[str, float]:
    """Super-resolve each image of a validation set by ``model.test()``; the mean of each metric over them.

    ``model`` is one of BasicSR's: its options say which metrics, and where pictures go. Of several processes each takes
    a share of the images, and all get the means, which are those of a single process to the last digit. Raises
    ValueError where a metric lacks ground truth, OSError that names a picture that cannot be written, RuntimeError
    where another process failed.
    """
    share = Share(model.opt)
    measures = Measures(model.opt["val"].get("metrics") or {}, dataloader.dataset.opt["name"])
    found = share.found_by_all(lambda: measure(model, share.of(dataloader), measures, current_iter, save_img))
    return measures.means(found, warn=share.rank == 0)


def measure(model: Any, dataloader: Any, measures: Measures, current_iter: int | str, save_img: bool) -> Found:
    """What this process measures of its images, whose pictures it writes."""
    opt = model.opt
    shown = opt["val"].get("pbar", False) and opt["rank"] == 0
    with (
        PictureWriter() as writer,
        tqdm(total=len(dataloader), unit="image", disable=not shown) as progress,
        closing(read(iter(dataloader), model.device)) as samples,
    ):
        for sample in samples:
            name = Path(sample["lq_path"][0]).stem
            result, reference, is_finite = tested(model, sample)
            measures.add(name, result, reference)
            measures.undefine_last(is_finite)
            if save_img:
                writer.write(picture_path(opt, measures.dataset_name, name, current_iter), result[0])
            progress.update(1)
            progress.set_description(f"Test {name}")
    if model.device.type == "cuda":
        torch.cuda.empty_cache()  # blocks of these images' sizes, which training has no use for
    return measures.found()


def tested(model: Any, sample: Sample) -> tuple[Tensor, Tensor | None, Tensor]:
    """The levels of what the model makes of a sample, and of its ground truth if there is one; on the device.

    The last one says whether it made finite numbers.
    """
    on_device = {
        key: value.to(model.device, non_blocking=True) if isinstance(value, Tensor) else value
        for key, value in sample.items()
    }
    model.feed_data(on_device)
    model.test()
    reference = levels_of(model.gt) if hasattr(model, "gt") else None
    result, is_finite = levels_of(model.output), model.output.isfinite().all()
    for name in ("lq", "output", "gt"):
        vars(model).pop(name, None)  # so that the next image has their memory
    return result, reference, is_finite


def read(samples: Iterator[Sample], device: torch.device) -> Generator[Sample, None, None]:
    """The same samples; for a GPU decoded ahead. What reading raises is raised here.

    On a CPU a reader beside the network would take a core from threads that wait for each other: twice the time.
    """
    return ahead(samples) if device.type == "cuda" else (sample for sample in samples)


def ahead(samples: Iterator[Sample]) -> Generator[Sample, None, None]:
    """The same samples, decoded by a thread while the caller is busy, in memory that a GPU copies from."""

    def read_one() -> Sample | None:
        sample = next(samples, None)
        if sample is None or not torch.cuda.is_available():
            return sample
        return {key: value.pin_memory() if isinstance(value, Tensor) else value for key, value in sample.items()}

    with ThreadPoolExecutor(1, thread_name_prefix="validation-reader") as reader:
        waiting = deque(reader.submit(read_one) for _ in range(READ_AHEAD))
        while (sample := waiting.popleft().result()) is not None:
            waiting.append(reader.submit(read_one))
            yield sample


def picture_path(opt: Mapping[str, Any], dataset_name: str, name: str, current_iter: int | str) -> Path:
    """Where SRModel puts an image: by iteration in training; by ``val: suffix``, or the run's name, in testing."""
    folder = Path(opt["path"]["visualization"])
    if opt["is_train"]:
        return folder / name / f"{name}_{current_iter}.png"
    return folder / dataset_name / f"{name}_{opt['val'].get('suffix') or opt['name']}.png"

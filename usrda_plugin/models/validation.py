"""Validation that never waits: images read ahead, metrics left on the device until the end, pictures written behind.

All of BasicSR's models for single images validate and test by it (the patch ``validation``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm  # type: ignore[import-untyped]

from usrda_plugin.archs.sides import mirrored, try_sides
from usrda_plugin.method.modes import at_rest
from usrda_plugin.metrics import levels_of
from usrda_plugin.models.metric_accumulator import Found, MetricAccumulator, ValidationShard
from usrda_plugin.models.pictures import PictureWriter, lq_paths, picture_names, picture_path, unused

READ_AHEAD = 2
"""Samples that wait decoded while another is at work."""

Sample = dict[str, Any]
ImageWatcher = Callable[[int, int], None]


def validate(model: Any, dataloader: Any, current_iter: int | str, tb_logger: Any, save_img: bool) -> None:
    """SRModel's validation: super-resolve each image of a set, measure and save, keep what is best, and log.

    Raises as ``measured`` does.
    """
    means = measured(model, dataloader, current_iter, save_img)
    if model.opt["val"].get("metrics") is None:
        return
    name = dataloader.dataset.opt["name"]
    model.metric_results = means
    model._initialize_best_metric_results(name)
    for metric, value in means.items():
        model._update_best_metric_result(name, metric, value, current_iter)
    model._log_validation_metric_values(current_iter, name, tb_logger)


def last_validated(model: Any) -> dict[str, int | str]:
    """The iteration in which a model was last validated by each data set, by its name; to be changed in place."""
    done: dict[str, int | str] = vars(model).setdefault("_validated", {})
    return done


def watch_images(model: Any, watcher: ImageWatcher) -> None:
    """Have the number of each image, from 1, and how many there are told when a model validates by it."""
    vars(model)["_image_watcher"] = watcher


def measured(model: Any, dataloader: Any, current_iter: int | str, save_img: bool) -> dict[str, float]:
    """Super-resolve each image of a validation set by ``model.test()``; the mean of each metric over them.

    ``model`` is one of BasicSR's: its options say which metrics, and where pictures go. Of several processes each takes
    a share of the images, and all get the means, which are those of a single process to the last digit. Metrics that
    need ground truth are left out where no image has any. Raises ValueError where some images have it and others not,
    SaveError that names a picture that cannot be written, RuntimeError where another process failed.
    """
    share = ValidationShard(model.opt)
    dataset = dataloader.dataset
    measures = MetricAccumulator(model.opt["val"].get("metrics") or {}, dataset.opt["name"])
    paths = lq_paths(dataset)
    names = share.part(picture_names(paths)) if paths is not None else None
    found = share.found_by_all(lambda: measure(model, share.of(dataloader), names, measures, current_iter, save_img))
    return measures.means(found, warn=share.rank == 0)


def measure(
    model: Any,
    dataloader: Any,
    names: list[str] | None,
    measures: MetricAccumulator,
    current_iter: int | str,
    save_img: bool,
) -> Found:
    """What this process measures of its images, whose pictures it writes by their ``names``."""
    opt = model.opt
    tell: ImageWatcher = vars(model).get("_image_watcher", lambda number, total: None)
    shown = opt["val"].get("pbar", False) and opt["rank"] == 0
    taken: set[str] = set()
    multiple = None
    with (
        PictureWriter() as writer,
        tqdm(total=len(dataloader), unit="image", disable=not shown) as progress,
        closing(read(iter(dataloader), model.device)) as samples,
    ):
        for number, sample in enumerate(samples):
            tell(number + 1, len(dataloader))
            name = names[number] if names is not None else unused(Path(sample["lq_path"][0]).stem, taken)
            multiple = multiple or side_multiple(model, sample["lq"])
            result, reference, is_finite = tested(model, sample, multiple)
            measures.add(name, result, reference)
            measures.undefine_last(is_finite)
            if save_img:
                writer.write(picture_path(opt, measures.dataset_name, name, current_iter), result[0])
            progress.update(1)
            progress.set_description(f"Test {name}")
    if model.device.type == "cuda":
        torch.cuda.empty_cache()  # blocks of these images' sizes, which training has no use for
    return measures.found()


def tested(model: Any, sample: Sample, multiple: int) -> tuple[Tensor, Tensor | None, Tensor]:
    """The levels of what the model makes of a sample, and of its ground truth if there is one; on the device.

    The last one says whether it made finite numbers.
    """
    on_device = {
        key: value.to(model.device, non_blocking=True) if isinstance(value, Tensor) else value
        for key, value in sample.items()
    }
    forget_image(model)  # that of the last training step, whose ground truth is not this image's
    model.feed_data(on_device)
    with fitting_sides(model, multiple):
        model.test()
    visuals = visuals_of(model)
    reference = levels_of(visuals["gt"]) if "gt" in visuals else None
    result, is_finite = levels_of(visuals["result"]), visuals["result"].isfinite().all()
    forget_image(model)  # so that the next one has its memory
    return result, reference, is_finite


def forget_image(model: Any) -> None:
    """Take from a model the image that it has been fed with, and what it has made of it."""
    for name in ("lq", "output", "gt"):
        vars(model).pop(name, None)


def visuals_of(model: Any) -> dict[str, Tensor]:
    """What a model shows of its image: SRModel's without its way to the CPU, a model's own as it is."""
    if not type(model).get_current_visuals.__module__.startswith("basicsr."):
        return dict(model.get_current_visuals())
    return {"result": model.output} | ({"gt": model.gt} if hasattr(model, "gt") else {})


def side_multiple(model: Any, images: Tensor) -> int:
    """What the sides of an image must be multiples of for the model's network; 1 where that cannot be found out."""
    network = model.net_g_ema if hasattr(model, "net_g_ema") else model.get_bare_model(model.net_g)
    devices = [model.device] if model.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), at_rest([network]):
        try:
            return try_sides(network, images.to(model.device)).multiple
        except ValueError:
            return 1


@contextmanager
def fitting_sides(model: Any, multiple: int) -> Iterator[None]:
    """A model whose image is mirrored up to sides that its network takes, and its result cut back."""
    height, width = model.lq.shape[-2:]
    model.lq = mirrored(model.lq, multiple)
    yield
    scale = model.output.shape[-2] // model.lq.shape[-2]
    if (height, width) != model.lq.shape[-2:]:
        model.output = model.output[..., : height * scale, : width * scale]


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

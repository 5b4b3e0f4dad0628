"""What a validation measures: metrics image by image, read once, over all processes of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain, zip_longest
from math import isnan, nan
from typing import Any, NamedTuple, TypeVar

import torch
from basicsr.metrics import calculate_metric
from basicsr.utils import get_root_logger
from basicsr.utils.registry import METRIC_REGISTRY
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from usrda_plugin.metrics import needs_reference, picture_of, tensor_metric
from usrda_plugin.weights.writing import SaveError

T = TypeVar("T")


class Found(NamedTuple):
    """Names of images, for each metric their values, and the names of images without ground truth.

    The value of a metric that an image without ground truth cannot have is nan.
    """

    images: list[str]
    values: dict[str, list[float]]
    alone: list[str]


class MetricAccumulator:
    """The values of some metrics for each image of a data set.

    A metric that has a form in tensors is computed where the images are, without waiting for it; another gets the
    pictures that BasicSR would give it.

    Args:
        metrics: the block ``val: metrics`` of the options.
        dataset_name: of the images, for messages.
    """

    def __init__(self, metrics: Mapping[str, Mapping[str, Any]], dataset_name: str) -> None:
        self.metrics = metrics
        self.dataset_name = dataset_name
        self.in_tensors = {name: form for name, options in metrics.items() if (form := tensor_metric(options))}
        self.images: list[str] = []
        self.alone: list[str] = []
        self.values: dict[str, list[Tensor | float]] = {name: [] for name in metrics}

    def add(self, image: str, result: Tensor, reference: Tensor | None) -> None:
        """Take an image's levels, (1, C, H, W) RGB, and those of its ground truth if it has one.

        Raises ValueError that names the image and the metric that cannot be computed.
        """
        self.images.append(image)
        pictures: dict[str, Any] = {}
        if reference is None:
            self.alone.append(image)
        for name, options in self.metrics.items():
            if reference is None and self.compares(name):
                self.values[name].append(result.new_full((1,), nan, dtype=torch.float64))
            elif name in self.in_tensors:
                self.values[name].append(self._in_tensors(name, result, reference))
            else:
                pictures = pictures or _pictures(result, reference)
                self.values[name].append(calculate_metric(pictures, dict(options)))

    def compares(self, name: str) -> bool:
        """Whether a metric needs ground truth."""
        return needs_reference(self.in_tensors.get(name) or METRIC_REGISTRY.get(self.metrics[name]["type"]))

    def undefine_last(self, is_finite: Tensor) -> None:
        """Make the metrics of the last image nan, unless ``is_finite``, a flag on the device, says that it is one.

        The levels of nan are those of black, which would be measured, and might be the best.
        """
        for series in self.values.values():
            value = series[-1]
            if isinstance(value, Tensor):
                series[-1] = value.where(is_finite, nan)
            elif not is_finite:
                series[-1] = nan

    def found(self) -> Found:
        """What was measured; only here the host waits for the device."""
        return Found(self.images, {name: _read(series) for name, series in self.values.items()}, self.alone)

    def means(self, found: Sequence[Found], *, warn: bool = True) -> dict[str, float]:
        """The mean of each metric over the images that the processes have measured, in the order of the data set.

        Where no image has ground truth, metrics that need it are left out. ``warn``: whether this process tells of
        images for which a metric is not defined. Raises ValueError where some images have ground truth and some not.
        """
        images = in_order([part.images for part in found])
        alone = in_order([part.alone for part in found])
        comparing = [name for name in self.metrics if alone and self.compares(name)]
        if comparing and len(alone) < len(images):
            raise ValueError(
                f"val: metrics: {comparing[0]}: {alone[0]} of data set {self.dataset_name}: expected ground truth, as"
                f" others have it, found none for {len(alone)} of {len(images)} images; remove the metric, or use pairs"
            )
        values = {
            name: in_order([part.values[name] for part in found]) for name in self.metrics if name not in comparing
        }
        for name in values if warn else ():
            if name in self.in_tensors:
                self._warn_of_nan(name, images, values[name])
        # summed one by one from the first, so that the digits are SRModel's, and those of a single process
        return {name: sum(series) / len(series) if series else nan for name, series in values.items()}

    def _in_tensors(self, name: str, result: Tensor, reference: Tensor | None) -> Tensor:
        form = self.in_tensors[name]
        if not needs_reference(form):
            return form(image=result)
        try:
            return form(image=result, reference=reference)
        except ValueError as misfit:
            where = f"val: metrics: {name}: {self.images[-1]} of data set {self.dataset_name}"
            raise ValueError(f"{where}: {misfit}") from misfit

    def _warn_of_nan(self, name: str, images: list[str], values: list[float]) -> None:
        undefined = [image for image, value in zip(images, values, strict=True) if isnan(value)]
        if undefined:
            title = self.metrics[name]["type"].removeprefix("calculate_").removeprefix("usrda_").upper()
            get_root_logger().warning(
                f"{title} is not defined here, so it is nan: {len(undefined)} of {len(values)} images of data set"
                f" {self.dataset_name}, the first {undefined[0]}"
            )


def _pictures(result: Tensor, reference: Tensor | None) -> dict[str, Any]:
    """What BasicSR's metrics take."""
    pictures = {"img": picture_of(result[0])}
    return pictures if reference is None else {**pictures, "img2": picture_of(reference[0])}


def _read(series: list[Tensor | float]) -> list[float]:
    tensors = [value for value in series if isinstance(value, Tensor)]
    if tensors and len(tensors) == len(series):
        return torch.cat(tensors).tolist()
    return [float(value) for value in series]


class ValidationShard:
    """Every ``processes``-th image of a data set, from the number of this process on.

    Args:
        opt: the options of the run, as BasicSR completes them.
    """

    def __init__(self, opt: Mapping[str, Any]) -> None:
        self.rank: int = opt["rank"] if opt["dist"] else 0
        self.processes: int = opt["world_size"] if opt["dist"] else 1

    def of(self, loader: DataLoader) -> DataLoader:
        """A loader of this process's images alone, which may be none."""
        if self.processes == 1:
            return loader
        mine = range(self.rank, len(loader.dataset), self.processes)  # type: ignore[arg-type]
        settings = {name: getattr(loader, name) for name in ("batch_size", "collate_fn", "num_workers", "pin_memory")}
        return DataLoader(Subset(loader.dataset, mine), **settings)

    def part(self, items: Sequence[T]) -> list[T]:
        """Those of a list, one for each image of the data set, that belong to this process's images."""
        return list(items[self.rank :: self.processes])

    def found_by_all(self, work: Callable[[], T]) -> list[T]:
        """What ``work`` returns in each process, by their numbers.

        Raises what it raises here, and where it raised elsewhere SaveError, if it was that, or RuntimeError: no process
        waits for one that failed, and all leave at the same place, so that what they exchange next fits together.
        """
        if self.processes == 1:
            return [work()]
        mine: tuple[T | None, str, bool] = (None, "", False)
        fault: Exception | None = None
        try:
            mine = (work(), "", False)
        except Exception as error:
            mine, fault = (None, f"{type(error).__name__}: {error}", isinstance(error, SaveError)), error
        answers: list[Any] = [None] * self.processes
        torch.distributed.all_gather_object(answers, mine)
        if fault is not None:
            raise fault
        told = [f"process {rank}: {message}" for rank, (_, message, _) in enumerate(answers) if message]
        if told:
            kind = SaveError if any(unsaved for _, _, unsaved in answers) else RuntimeError
            raise kind(f"the validation failed in {'; '.join(told)}")
        return [found for found, _, _ in answers]


def in_order(shares: Sequence[Sequence[T]]) -> list[T]:
    """The items of all shares in the order of the data set."""
    missing = object()
    turns = zip_longest(*shares, fillvalue=missing)
    return [item for item in chain.from_iterable(turns) if item is not missing]  # type: ignore[misc]

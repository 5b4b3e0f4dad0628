"""Arguments of registered classes, checked by what the classes themselves say; plugins of others included."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from basicsr.models.sr_model import SRModel
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY
from torch import nn

from usrda_plugin.options import OptionError
from usrda_plugin.options.arguments import argument_errors, call_of
from usrda_plugin.options.components import DATASETS, MODELS, find, is_foreign

Options = dict[str, Any]
Load = Callable[..., Options]
Faults = Callable[..., list[OptionError]]


def annotated(
    count: int,
    rate: float = 1.0,
    kind: Literal["soft", "hard"] = "soft",
    sizes: tuple[int, ...] = (1,),
    layers: dict[str, float] | None = None,
    path: str | None = None,
    module: nn.Module | None = None,
    on: bool = False,
) -> None:
    """A function whose annotations say all."""


def unannotated(count, factor=0.5, size=4, name="a", flag=True, sizes=(1, 2), other=None):
    """Say it in the docstring, as BasicSR does.

    Args:
        count (int): How many.
    """


FITTING = [
    (annotated, {"count": "3"}, {"count": 3}),
    (annotated, {"count": 3.0}, {"count": 3}),
    (annotated, {"count": 3, "rate": "1e-4"}, {"count": 3, "rate": 1e-4}),
    (annotated, {"count": 3, "rate": 2}, {"count": 3, "rate": 2.0}),
    (annotated, {"count": 3, "sizes": [1, "2"]}, {"count": 3, "sizes": [1, 2]}),
    (annotated, {"count": 3, "layers": {"a": "1e-1"}}, {"count": 3, "layers": {"a": 0.1}}),
    (annotated, {"count": 3, "path": "1e5"}, {"count": 3, "path": "1e5"}),
    (annotated, {"count": 3, "path": None}, {"count": 3, "path": None}),
    (unannotated, {"count": "3"}, {"count": 3}),
    (unannotated, {"count": 3, "factor": "1e-4"}, {"count": 3, "factor": 1e-4}),
    (unannotated, {"count": 3, "factor": 1}, {"count": 3, "factor": 1}),
    (unannotated, {"count": 3, "size": 8.0}, {"count": 3, "size": 8}),
    (unannotated, {"count": 3, "name": "1e5"}, {"count": 3, "name": "1e5"}),
    (unannotated, {"count": 3, "other": "1e5"}, {"count": 3, "other": 1e5}),
    (unannotated, {"count": 3, "sizes": ["1e1"]}, {"count": 3, "sizes": [10.0]}),
]


@pytest.mark.parametrize(("function", "given", "fitted"), FITTING)
def test_arguments_that_fit_get_the_kind_they_are_wanted_in(
    function: Callable[..., Any], given: Options, fitted: Options
) -> None:
    call = call_of(function)
    assert call is not None
    assert argument_errors(call, given) == []
    assert given == fitted
    assert [type(value) for value in given.values()] == [type(value) for value in fitted.values()]


MISFITTING = [
    (annotated, {}, "count", "needs 'count'"),
    (annotated, {"count": "three"}, "count", "integer"),
    (annotated, {"count": True}, "count", "expected a number"),
    (annotated, {"count": 3.5}, "count", "integer"),
    (annotated, {"count": None}, "count", "integer"),
    (annotated, {"count": 3, "kind": "sft"}, "kind", "did you mean 'soft'?"),
    (annotated, {"count": 3, "on": "perhaps"}, "on", "boolean"),
    (annotated, {"count": 3, "raet": 1}, "raet", "did you mean 'rate'?"),
    (annotated, {"count": 3, "zzz": 1}, "zzz", "annotated takes count, rate"),
    (unannotated, {"count": "three"}, "count", "expected a number, found 'three'"),
    (unannotated, {"count": 3, "flag": "no"}, "flag", "true or false"),
    (unannotated, {"count": 3, "name": 3}, "name", "expected text"),
    (unannotated, {"count": 3, "sizes": 3}, "sizes", "expected a list"),
    (unannotated, {"count": 3, "factor": [1]}, "factor", "expected a number"),
]


@pytest.mark.parametrize(("function", "given", "name", "part"), MISFITTING)
def test_arguments_that_do_not_fit_are_told(function: Callable[..., Any], given: Options, name: str, part: str) -> None:
    call = call_of(function)
    assert call is not None
    [misfit] = argument_errors(call, given)
    assert misfit.name == name
    assert part in f"{misfit.message} {misfit.remedy}"


@pytest.mark.parametrize(("strict", "given", "names"), [
    (False, {"a": 1, "anything": 2}, []),
    (False, {"a": 1, "crop_bordr": 2}, ["crop_bordr"]),
    (True, {"a": 1, "anything": 2}, ["anything"]),
])  # fmt: skip
def test_open_ended_calls_take_what_is_no_slip(strict: bool, given: Options, names: list[str]) -> None:
    def function(a: int, crop_border: int = 0, **kwargs: Any) -> None: ...

    call = call_of(function, strict=strict)
    assert call is not None
    assert [misfit.name for misfit in argument_errors(call, given)] == names


def test_looking_up_prints_nothing_and_knows_basicsr_s_suffix(capsys: pytest.CaptureFixture[str]) -> None:
    assert find(DATASETS, "RealESRGANDataset").__name__ == "RealESRGANDataset"
    assert find(DATASETS, "RealESRGANDataset_basicsr") is find(DATASETS, "RealESRGANDataset")
    assert find(MODELS, "Nothing") is None
    assert not is_foreign(MODELS, "USRDAModel")
    assert capsys.readouterr().out == ""


@pytest.fixture
def plugin() -> Iterator[None]:
    """A model, a data set, a network and a metric of somebody else."""

    class TheirModel(SRModel):
        pass

    class TheirDataset:
        pass

    class TheirNet(nn.Module):
        def __init__(self, width: int, upscale: int = 4) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, width, 3)

    def their_metric(img: Any, img2: Any, sharpness: float) -> float:
        return sharpness

    items = [
        (MODEL_REGISTRY, TheirModel),
        (DATASET_REGISTRY, TheirDataset),
        (ARCH_REGISTRY, TheirNet),
        (METRIC_REGISTRY, their_metric),
    ]
    for registry, item in items:
        item.__module__ = "their_plugin"
        registry.register(item)
    yield
    for registry, item in items:
        del registry._obj_map[item.__name__]


@pytest.mark.usefixtures("plugin")
def test_plugins_of_others_bring_their_own_keys(paired: Options, load: Load, faults: Faults) -> None:
    paired["model_type"] = "TheirModel"
    paired["their_switch"] = True
    paired["network_d_a"] = {"type": "TheirNet", "width": 2}
    paired["train"]["their_opt"] = {"type": "L1Loss", "loss_weight": "1e-1"}
    paired["train"]["their_rate"] = 0.5
    paired["datasets"]["train"] = {
        "name": "theirs",
        "type": "TheirDataset",
        "dataroot_any": ".",
        "palette": [1, 2],
        "batch_size_per_gpu": 2,
        "num_worker_per_gpu": 0,
    }
    paired["network_g"] = {"type": "TheirNet", "width": "8"}
    paired["val"]["metrics"]["sharp"] = {"type": "their_metric", "sharpness": "5e-1", "better": "lower"}
    loaded = load(paired)
    assert loaded["their_switch"] is True
    assert loaded["train"]["their_opt"]["loss_weight"] == 0.1
    assert loaded["train"]["their_rate"] == 0.5
    assert loaded["datasets"]["train"]["palette"] == [1, 2]
    assert loaded["network_g"]["width"] == 8
    assert loaded["val"]["metrics"]["sharp"]["sharpness"] == 0.5
    told = faults(
        paired,
        "network_g:widht=3",
        "train:pixle_opt={type: L1Loss}",
        "datasets:train:batch_size_per_gp=2",
        "datasets:train:dataroot_any=/nowhere",
        "train:their_opt:reductio=mean",
    )
    assert {fault.key for fault in told} == {
        "network_g.widht",
        "train.pixle_opt",
        "datasets.train.batch_size_per_gp",
        "datasets.train.dataroot_any",
        "train.their_opt.reductio",
    }


def test_a_network_that_cannot_be_built_without_memory_is_let_through(
    paired: Options, load: Load, capsys: pytest.CaptureFixture[str]
) -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            print("this network talks")
            self.layer = nn.Conv2d(3, 3, 1)
            self.layer.weight.detach().cpu().numpy()

    ARCH_REGISTRY.register(Counting)
    try:
        load(paired, "network_g={type: Counting}")
    finally:
        del ARCH_REGISTRY._obj_map["Counting"]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("error", [RuntimeError("negative dimension -4"), ZeroDivisionError("division by zero")])
def test_a_network_that_cannot_be_built_is_told(error: Exception, paired: Options, faults: Faults) -> None:
    class Refusing(nn.Module):
        def __init__(self) -> None:
            raise error

    ARCH_REGISTRY.register(Refusing)
    try:
        [fault] = faults(paired, "network_g={type: Refusing}")
    finally:
        del ARCH_REGISTRY._obj_map["Refusing"]
    assert fault.key == "network_g"
    assert str(error) in fault.message


@pytest.mark.parametrize("message", ["Tensor.item() cannot be called on meta tensors", "Found no NVIDIA driver"])
def test_a_network_that_needs_a_device_is_let_through(message: str, paired: Options, load: Load) -> None:
    class Needing(nn.Module):
        def __init__(self) -> None:
            raise RuntimeError(message)

    ARCH_REGISTRY.register(Needing)
    try:
        load(paired, "network_g={type: Needing}")
    finally:
        del ARCH_REGISTRY._obj_map["Needing"]


def test_keys_of_basicsr_s_models_for_other_tasks_are_accepted_as_they_are(paired: Options, load: Load) -> None:
    loaded = load(
        paired, "model_type=HiFaceGANModel", "train:ema_decay=0", "train:feature_matching_weight=1", "seed_of=1"
    )
    assert (loaded["train"]["feature_matching_weight"], loaded["seed_of"]) == (1, 1)


def test_models_of_basicsr_and_ours_take_no_keys_that_nobody_knows(paired: Options, faults: Faults) -> None:
    [fault] = faults(paired, "train:their_opt={type: L1Loss}")
    assert fault.message == "unknown key 'their_opt'"

"""Whether training reaches its last iteration, against BasicSR's own sampler and loader."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from basicsr.data.data_sampler import EnlargedSampler
from hypothesis import given, settings
from hypothesis import strategies as st

from usrda_plugin.options import OptionError
from usrda_plugin.options.schedule import Loop

Options = dict[str, Any]
Faults = Callable[..., list[OptionError]]


def iterations_of_basicsr(loop: Loop, ratio: int) -> int:
    """Count as ``create_train_val_dataloader`` and ``train_pipeline`` do, without data."""
    sampler = EnlargedSampler(range(loop.images), loop.processes, 0, ratio)
    per_epoch = math.ceil(loop.images * ratio / loop.counted)
    epochs = math.ceil(loop.total_iter / per_epoch)
    return sum(len(sampler) // loop.batch for _ in range(epochs + 1))


LOOPS = st.builds(
    Loop,
    images=st.integers(1, 60),
    processes=st.integers(1, 4),
    batch=st.integers(1, 40),
    counted=st.integers(1, 80),
    total_iter=st.integers(1, 3000),
)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(LOOPS, st.integers(1, 20))
def test_available_iterations_are_those_of_basicsr(loop: Loop, ratio: int) -> None:
    assert loop.available(ratio) == iterations_of_basicsr(loop, ratio)


@settings(max_examples=200, derandomize=True, deadline=None)
@given(LOOPS)
def test_the_ratio_that_is_offered_suffices(loop: Loop) -> None:
    assert loop.available(loop.sufficient_ratio()) >= loop.total_iter


def test_the_ratio_that_is_offered_is_small() -> None:
    loop = Loop(images=8, processes=1, batch=20, counted=20, total_iter=4)
    assert loop.sufficient_ratio() == 5
    assert loop.available(4) < 4


def test_a_batch_larger_than_the_set_is_told_with_the_ratio_that_helps(
    paired: Options, faults: Faults, load: Callable[..., Options]
) -> None:
    paired["datasets"]["train"]["batch_size_per_gpu"] = 20
    [fault] = faults(paired)
    assert fault.key == "datasets.train.dataset_enlarge_ratio"
    assert "nothing would be trained" in fault.message
    assert "dataset_enlarge_ratio: 5" in fault.remedy
    load(paired, "datasets:train:dataset_enlarge_ratio=5")


def test_training_that_would_end_early_is_told(paired: Options, faults: Faults) -> None:
    # 8 images in batches of 5: BasicSR counts 2 iterations an epoch, the loader has 1
    paired["datasets"]["train"]["batch_size_per_gpu"] = 5
    paired["train"]["total_iter"] = 100
    [fault] = faults(paired)
    assert "end training after 51 iterations; total_iter is 100" in fault.message


def test_each_gpu_of_dataparallel_takes_a_batch(
    paired: Options, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 8)
    paired["datasets"]["train"]["batch_size_per_gpu"] = 4
    [fault] = faults(paired, "num_gpu=4")
    assert "in batches of 16" in fault.message


def test_processes_of_torchrun_share_the_images(
    paired: Options, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    paired["datasets"]["train"]["batch_size_per_gpu"] = 4
    paired["train"]["total_iter"] = 8
    monkeypatch.setenv("WORLD_SIZE", "4")
    [fault] = faults(paired)
    assert "fewer than one batch" in fault.message

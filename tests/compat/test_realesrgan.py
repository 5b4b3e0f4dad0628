"""Patches of Real-ESRGAN's models and degradations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from basicsr.data.realesrgan_dataset import circular_lowpass_kernel
from basicsr.models.realesrgan_model import RealESRGANModel, filter2D
from basicsr.models.realesrnet_model import RealESRNetModel
from numpy.lib.stride_tricks import sliding_window_view


@pytest.mark.parametrize("cls", [RealESRGANModel, RealESRNetModel])
def test_real_esrgan_keeps_its_tools_on_the_device_of_the_run(cls: Any, model_options: dict[str, Any]) -> None:
    options = {**model_options, "is_train": False, "queue_size": 4}
    built = cls(options)
    assert built.usm_sharpener.kernel.device.type == "cpu"
    built.lq, built.gt = torch.full((2, 3, 4, 4), 0.25), torch.full((2, 3, 8, 8), 0.75)
    built._dequeue_and_enqueue()
    assert built.queue_lr.shape == (4, 3, 4, 4)
    assert built.queue_gt.shape == (4, 3, 8, 8)
    assert built.queue_lr[:2].eq(0.25).all()
    assert built.queue_gt[:2].eq(0.75).all()
    assert built.queue_ptr == 2
    if not torch.cuda.is_available():
        with pytest.raises((RuntimeError, AssertionError)):
            cls.__init__.__wrapped__(object.__new__(cls), options)


def test_a_pool_that_does_not_divide_into_batches_is_refused(model_options: dict[str, Any]) -> None:
    model = RealESRNetModel({**model_options, "is_train": False, "queue_size": 5})
    model.lq = model.gt = torch.zeros(2, 3, 4, 4)
    with pytest.raises(ValueError, match="queue_size: expected a multiple of the batch size 2, found 5"):
        model._dequeue_and_enqueue()


def pooled(options: dict[str, Any], seed: int, queue_size: int = 4) -> Any:
    model = RealESRGANModel({**options, "is_train": False, "queue_size": queue_size})
    feed(model, seed)
    return model


def feed(model: Any, seed: int, batch: int = 2) -> None:
    levels = torch.randint(256, (batch, 3, 8, 8), generator=torch.Generator().manual_seed(seed))
    model.gt, model.lq = levels / 255, torch.nn.functional.avg_pool2d(levels / 255, 2)


def test_the_pool_of_pairs_goes_on_as_it_was(model_options: dict[str, Any], tmp_path: Path) -> None:
    model, resumed = pooled(model_options, 0), pooled(model_options, 1)
    assert model.pool_state() is None
    for seed in (0, 1):
        feed(model, seed)
        model._dequeue_and_enqueue()
    file = tmp_path / "pool"
    torch.save(model.pool_state(), file)
    state = torch.load(file, weights_only=True)
    assert (state["gt"].dtype, state["lr"].dtype) == (torch.uint8, torch.float32), "as small as the last bit allows"
    resumed.restore_pool(state)
    assert resumed.pool_state() is state, "a checkpoint that comes before the next pair has it too"
    for one in (model, resumed):
        torch.manual_seed(0)
        feed(one, 2)
        one._dequeue_and_enqueue()
    for name in ("lq", "gt", "queue_lr", "queue_gt"):
        assert torch.equal(getattr(model, name), getattr(resumed, name))
    assert resumed.queue_ptr == 4


@pytest.mark.parametrize(("queue_size", "batch"), [(8, 2), (4, 4)])
def test_a_pool_that_does_not_fit_begins_anew(model_options: dict[str, Any], queue_size: int, batch: int) -> None:
    model, resumed = pooled(model_options, 0), pooled(model_options, 1, queue_size)
    model._dequeue_and_enqueue()
    resumed.restore_pool(model.pool_state())
    feed(resumed, 2, batch)
    resumed._dequeue_and_enqueue()
    assert resumed.queue_ptr == batch


def test_a_sinc_kernel_is_made_without_a_warning() -> None:
    # numpy's state in any thread but the one that imported BasicSR, which silences divisions there and no further
    with np.errstate(invalid="warn", divide="warn"):
        with pytest.warns(RuntimeWarning, match="invalid value"):
            unmended = circular_lowpass_kernel.__wrapped__(1.0, 7)
        made = circular_lowpass_kernel(1.0, 7)
    assert (made == unmended).all()
    assert made.sum() == pytest.approx(1)


def test_filter2d_takes_any_memory_layout() -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(2, 3, 8, 8, generator=generator)
    kernel = torch.rand(2, 3, 3, generator=generator)
    last = image.to(memory_format=torch.channels_last)
    with pytest.raises(RuntimeError, match="view"):
        filter2D.__wrapped__(last, kernel)
    assert torch.equal(filter2D(last, kernel), filter2D.__wrapped__(image, kernel))


@pytest.mark.parametrize("size", [(3, 4), (1, 9), (4, 5)])
def test_filter2d_takes_images_of_any_size(size: tuple[int, int]) -> None:
    image, kernel = (
        np.random.default_rng(0).random((1, 1, *size)),
        np.random.default_rng(1).random((1, 9, 9)),
    )
    if min(size) < 5:
        with pytest.raises(RuntimeError, match="Padding size should be less"):
            filter2D.__wrapped__(torch.from_numpy(image), torch.from_numpy(kernel))
    seen = sliding_window_view(np.pad(image[0, 0], 4, mode="reflect"), (9, 9))
    found = filter2D(torch.from_numpy(image), torch.from_numpy(kernel))[0, 0].numpy()
    assert np.allclose(found, (seen * kernel[0]).sum(axis=(2, 3)))

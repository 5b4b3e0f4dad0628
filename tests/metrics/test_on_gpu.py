"""Metrics on a GPU: the CPU's values, and the host does not wait for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from usrda_plugin.metrics import colour_shift, lpips, niqe, psnr, ssim
from usrda_plugin.metrics.levels import levels_of, levels_of_picture

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]


@pytest.fixture
def waiting_is_an_error() -> Iterator[None]:
    yield
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize(("metric", "tolerance"), [(psnr, 1e-9), (ssim, 1e-9), (niqe, 1e-3)])
def test_a_gpu_has_the_cpus_values_without_a_wait(metric, tolerance, photograph, waiting_is_an_error: None) -> None:
    pictures = [levels_of_picture(photograph(name)[:300, :400]) for name in ("coffee.png", "astronaut.png")]
    levels = torch.cat(pictures)
    arguments = (4,) if metric is niqe else (4, True)
    tensors = (levels,) if metric is niqe else (levels, levels.roll(1, dims=-1))
    on_gpu = [tensor.cuda() for tensor in tensors]
    metric(*on_gpu, *arguments)  # its tables are copied once
    torch.cuda.set_sync_debug_mode("error")
    found = metric(*on_gpu, *arguments)
    torch.cuda.set_sync_debug_mode("default")
    assert found.tolist() == pytest.approx(metric(*tensors, *arguments).tolist(), abs=tolerance)


@pytest.mark.parametrize("tf32", [False, True])
def test_a_gpu_has_the_cpus_lpips_and_colour_shift(
    tf32: bool, photograph, random_alexnet, monkeypatch: pytest.MonkeyPatch, waiting_is_an_error: None
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", tf32)
    pictures = [levels_of_picture(photograph(name)[:300, :400]) for name in ("coffee.png", "astronaut.png")]
    tensors = (torch.cat(pictures), torch.cat(pictures).roll(1, dims=-1))
    on_gpu = [tensor.cuda() for tensor in tensors]
    lpips(*on_gpu, 4, str(random_alexnet))  # its network is copied once
    torch.cuda.set_sync_debug_mode("error")
    found = lpips(*on_gpu, 4, str(random_alexnet)), colour_shift(*on_gpu, 4)
    torch.cuda.set_sync_debug_mode("default")
    assert found[0].tolist() == pytest.approx(lpips(*tensors, 4, str(random_alexnet)).tolist(), rel=1e-4)
    assert found[1].tolist() == pytest.approx(colour_shift(*tensors, 4).tolist(), abs=1e-9)
    assert torch.backends.cudnn.allow_tf32 is tf32


def test_levels_are_the_cpus() -> None:
    images = 1.4 * torch.rand(1, 3, 300, 400, generator=torch.Generator().manual_seed(0)) - 0.2
    assert torch.equal(levels_of(images.cuda()).cpu(), levels_of(images))

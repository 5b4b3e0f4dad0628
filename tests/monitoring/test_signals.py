"""Signals of critics, of SR images and of noise by closed forms; test_distances.py, test_spectra.py have the rest."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from basicsr.losses.gan_loss import GANLoss
from torch import Tensor

from usrda_plugin.data import bicubic_downsample
from usrda_plugin.losses import USRDAAlignLoss, USRDARelativisticLoss
from usrda_plugin.monitoring.signals import (
    accuracy,
    camera_noise,
    colour_drift,
    lr_consistency,
    rendered_noise,
    undecided,
)

LEVEL = 1 / 255


@pytest.mark.parametrize(
    ("criterion", "middle"),
    [
        (GANLoss("lsgan"), 0.5),
        (GANLoss("lsgan", real_label_val=0.9, fake_label_val=-0.1), 0.4),
        (GANLoss("vanilla"), 0.0),
        (GANLoss("hinge"), 0.0),
        (GANLoss("wgan_softplus"), 0.0),
        (USRDAAlignLoss("lsgan"), 0.5),
        (USRDAAlignLoss("vanilla"), 0.0),
        (lambda answers, is_real: answers, 0.0),
    ],
)
def test_the_middle_lies_between_the_labels_of_a_criterion(criterion: object, middle: float) -> None:
    assert undecided(criterion) == pytest.approx(middle)


def test_the_share_on_the_right_side_counts() -> None:
    real, fake = torch.tensor([0.9, 0.6, 0.4, 2.0]), torch.tensor([0.1, 0.7])
    assert accuracy(real, fake, GANLoss("lsgan")).item() == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert accuracy(real, fake, GANLoss("vanilla")).item() == pytest.approx((1 + 0) / 2)


def test_a_critic_that_answers_a_constant_is_right_half_the_time() -> None:
    for answer in (0.0, 0.5, 1.0):
        assert accuracy(torch.full((3,), answer), torch.full((5,), answer), GANLoss("lsgan")).item() == 0.5


def test_where_answers_have_no_label_real_must_be_above_the_fake_beside_it() -> None:
    real, fake = torch.tensor([7.0, 8.0, 9.0, 5.0]), torch.tensor([6.0, 7.0, 9.0, 6.0])
    assert accuracy(real, fake, USRDARelativisticLoss()).item() == pytest.approx((1 + 1 + 0.5 + 0) / 4)


def test_nan_is_not_taken_for_an_answer() -> None:
    assert accuracy(torch.tensor([torch.nan]), torch.tensor([0.0]), GANLoss("lsgan")).isnan()


def photographs(side: int = 32) -> Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0))


def shrunk(y: Tensor, scale: int) -> Tensor:
    images = [bicubic_downsample(image.permute(1, 2, 0).numpy(), scale) for image in y]
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_an_image_whose_reduction_is_the_photograph_is_consistent(scale: int) -> None:
    y = photographs(side=64 * scale)
    # torch and MATLAB differ within 2 pixels of the border, where the image ends
    assert lr_consistency(y, shrunk(y, scale)) < 0.5
    assert lr_consistency(y, 1 - shrunk(y, scale)) > 4


@pytest.mark.parametrize("levels", [-3.0, 5.0])
def test_a_shift_of_all_pixels_is_that_many_levels_of_both(levels: float) -> None:
    y = photographs()
    x = shrunk(y, 2) - shrunk(y, 2) + 0.5
    y = torch.full_like(y, 0.5 + levels * LEVEL)
    assert lr_consistency(y, x).item() == pytest.approx(abs(levels), rel=1e-3)
    assert colour_drift(y, x).item() == pytest.approx(abs(levels), rel=1e-3)


def test_drifts_of_opposite_sign_do_not_cancel() -> None:
    x = torch.full((2, 3, 16, 16), 0.5)
    offsets = torch.tensor([[6.0, -6.0, 0.0], [0.0, 3.0, -3.0]])[..., None, None] * LEVEL
    y = torch.full((2, 3, 32, 32), 0.5) + offsets
    assert colour_drift(y, x).item() == pytest.approx((6 + 6 + 3 + 3) / 6, rel=1e-3)


def test_noise_of_the_camera_is_no_inconsistency_but_structure_is() -> None:
    x = torch.full((1, 3, 64, 64), 0.5)
    noisy = x + 10 * LEVEL * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))
    # a mean of 49 pixels has a seventh of their noise: |normal| of 10 / 7 has mean 1.14
    assert lr_consistency(torch.full((1, 3, 128, 128), 0.5), noisy).item() == pytest.approx(1.14, abs=0.1)
    halves = torch.cat([torch.full((1, 3, 128, 64), 0.45), torch.full((1, 3, 128, 64), 0.55)], dim=-1)
    assert lr_consistency(halves, x).item() > 10
    assert colour_drift(halves, x).item() < 0.01


def gray_noise(levels: float, seed: int, shape: tuple[int, ...] = (4, 1, 96, 96)) -> Tensor:
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return (levels / 255 * noise).expand(-1, 3, -1, -1)


def scene() -> Tensor:
    """A smooth left half; to the right stripes of 100 levels, which are no noise."""
    ramp = torch.linspace(0.3, 0.7, 96).expand(4, 3, 96, 96).clone()
    ramp[..., 48:] += 0.2 * (torch.arange(48) // 3 % 2)
    return ramp


@pytest.mark.parametrize("levels", [1.0, 5.0])
def test_the_noise_of_two_renderings_is_found_whatever_they_show(levels: float) -> None:
    once, again = (scene() + gray_noise(levels, seed) for seed in (0, 1))
    assert rendered_noise(once, again).item() == pytest.approx(levels, rel=0.03)
    assert rendered_noise(once, once).item() == 0


@pytest.mark.parametrize("levels", [2.0, 6.0])
def test_the_noise_of_a_camera_is_found_beside_structure(levels: float) -> None:
    assert camera_noise(scene() + gray_noise(levels, 0)).item() == pytest.approx(levels, rel=0.1)


def test_a_clean_photograph_has_no_noise() -> None:
    assert camera_noise(scene()).item() < 0.05


def test_clipped_areas_do_not_count_as_flat() -> None:
    noisy = (scene() + gray_noise(4, 0)).clone()
    noisy[..., :24, :] = 0  # as flat as can be, and a quarter of the photograph
    assert camera_noise(noisy).item() == pytest.approx(4, rel=0.1)

"""How often critics are right, by every kind of criterion."""

from __future__ import annotations

import pytest
import torch
from basicsr.losses.gan_loss import GANLoss

from usrda_plugin.losses import USRDAAlignLoss, USRDARelativisticLoss
from usrda_plugin.monitoring.accuracy import accuracy, undecided


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

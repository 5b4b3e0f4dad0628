"""Answers in pairs, and what the three parts of a term are worth when some are left out."""

import math

import pytest
import torch

from tests.world import Pairs, World
from usrda_plugin.method import Critics, discriminator_loss, relativistic_loss
from usrda_plugin.method.terms import rec


def test_in_a_pair_only_the_difference_counts_whatever_the_precision():
    winner, loser = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 1.0])
    expected = torch.log1p(torch.exp(loser - winner)).mean()
    torch.testing.assert_close(relativistic_loss(winner, loser), expected)
    half = relativistic_loss(winner.bfloat16() + 4, loser.bfloat16() + 4)
    torch.testing.assert_close(half, expected)


def test_penalties_of_no_weight_cost_no_gradient():
    class Free(Pairs):
        r1_weight = r2_weight = 0.0

    asked = []

    def critic(image):
        asked.append(image.requires_grad)
        return image.mean(dim=(1, 2, 3))

    real = torch.rand(2, 3, 4, 4)
    loss = discriminator_loss(critic, Free(), real, [real]).loss
    assert loss.item() == pytest.approx(math.log(2), abs=1e-6)
    assert asked == [False, False]


def test_a_part_without_criterion_is_left_out():
    world = World("rec")
    criteria = world.criteria._replace(pixel=None, gan=None)
    parts = rec(world.context()._replace(criteria=criteria, critics=Critics()))
    assert (parts.pix, parts.gan) == (None, None)
    assert parts.percep > 0

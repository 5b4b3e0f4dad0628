"""Critics trained in pairs, with gradient penalties: RpGAN + R1 + R2.

Huang, Gokaslan, Kuleshov, Tompkin: *The GAN is dead; long live the GAN! A Modern GAN Baseline*, NeurIPS 2024.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from usrda_plugin.method.context import Critic, Relativistic


def relativistic_loss(winner: Tensor, loser: Tensor) -> Tensor:
    """softplus(loser - winner), averaged: answers of any shape, pair by pair and place by place; 0 is the ideal."""
    return F.softplus(_full_precision(loser) - _full_precision(winner)).mean()


def zero_centered_gradient_penalty(answers: Tensor, image: Tensor) -> Tensor:
    """|grad of the sum of answers by the image|^2 for each answer; differentiable.

    For a critic that gives an image one answer it is the paper's; a patch critic's does not grow with the image.
    """
    (slope,) = torch.autograd.grad(answers.sum(), image, create_graph=True)
    return slope.square().sum() / answers.numel()


def rpgan_critic_loss(
    critic: Critic, criterion: Relativistic, real: Tensor, fakes: list[Tensor]
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The critic's loss and its answers to real and fakes: each real shall outdo its fake, and slopes shall be small.

    In full precision and with gradients, whatever is around it: a penalty is itself a gradient.
    """
    with torch.enable_grad(), torch.autocast(real.device.type, enabled=False):
        real_answer, r1 = _answer(critic, real, criterion.r1_weight)
        judged = [_answer(critic, fake, criterion.r2_weight) for fake in fakes]
        losses = [criterion(real_answer, answer, is_disc=True) + r2 for answer, r2 in judged]
        return torch.stack(losses).mean() + r1, real_answer, [answer for answer, _ in judged]


def _answer(critic: Critic, image: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    """Answers and their penalty, weight / 2 times the squared slope, which a weight of 0 saves."""
    seen = _full_precision(image.detach())
    if not weight:
        answers = critic(seen)
        return answers, answers.new_zeros(())
    seen.requires_grad_()
    answers = critic(seen)
    return answers, weight / 2 * zero_centered_gradient_penalty(answers, seen)


def _full_precision(image: Tensor) -> Tensor:
    return image.to(torch.promote_types(image.dtype, torch.float32))

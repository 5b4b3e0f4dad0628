"""How often a critic is right."""

from __future__ import annotations

import torch
from basicsr.losses.gan_loss import GANLoss
from torch import Tensor

from usrda_plugin.losses import USRDAAlignLoss
from usrda_plugin.method import Adversarial, Relativistic


def accuracy(real: Tensor, fake: Tensor, criterion: Adversarial) -> Tensor:
    """The share of a critic's answers that are right by the criterion that trains it, both domains alike; in [0, 1].

    Right is the label's side of ``undecided``, or, where answers have no label, real above the fake beside it. An
    answer in the middle is half right.
    """
    if isinstance(criterion, Relativistic):
        return (_sign(real - fake).mean() + 1) / 2
    middle = undecided(criterion)
    return (_sign(real - middle).mean() + _sign(middle - fake).mean() + 2) / 4


def undecided(criterion: Adversarial) -> float:
    """The answer halfway between a criterion's labels; 0 for criteria that have none, such as logits and hinge."""
    if isinstance(criterion, USRDAAlignLoss):
        criterion = criterion.labelled
    if isinstance(criterion, GANLoss) and criterion.gan_type == "lsgan":
        return (criterion.real_label_val + criterion.fake_label_val) / 2
    return 0.0


def _sign(values: Tensor) -> Tensor:
    """-1, 0 or 1; nan stays nan, which torch's ``sign`` makes 0."""
    return values.sign().where(~values.isnan(), torch.nan)

"""USR-DA as the paper tells it, on bare torch: the forward pass, the terms, the objective, Algorithm 1.

Read ``algorithm.py`` first, then ``forward.py``, ``terms.py`` and ``objective.py``; ``extensions.py``,
``relativistic.py`` and ``views.py`` are not the paper's. Nothing here knows of option files, optimizers or logs.
"""

from usrda_plugin.method.algorithm import Harness, Log, Player, StepLoss, frozen, training_step
from usrda_plugin.method.context import (
    Adversarial,
    Criteria,
    CriticLoss,
    Critics,
    CriticTerm,
    LossContext,
    Parts,
    RealAnswers,
    Relativistic,
    Term,
)
from usrda_plugin.method.extensions import bicubic_downsample, with_pseudo_labels
from usrda_plugin.method.forward import PAPER, Batch, Needs, Networks, Pass, batched_forward_pass, forward_pass, needed
from usrda_plugin.method.objective import (
    CRITIC_TERMS,
    TERMS,
    Objective,
    Phases,
    loss_name,
    needs_of,
    psnr_terms,
    reads_target,
)
from usrda_plugin.method.relativistic import relativistic_loss
from usrda_plugin.method.terms import discriminator_loss, generator_gan_loss
from usrda_plugin.method.views import VIEWS, View, high_band, local_mean, luma

__all__ = [
    "CRITIC_TERMS",
    "PAPER",
    "TERMS",
    "VIEWS",
    "Adversarial",
    "Batch",
    "Criteria",
    "CriticLoss",
    "CriticTerm",
    "Critics",
    "Harness",
    "Log",
    "LossContext",
    "Needs",
    "Networks",
    "Objective",
    "Parts",
    "Pass",
    "Phases",
    "Player",
    "RealAnswers",
    "Relativistic",
    "StepLoss",
    "Term",
    "View",
    "batched_forward_pass",
    "bicubic_downsample",
    "discriminator_loss",
    "forward_pass",
    "frozen",
    "generator_gan_loss",
    "high_band",
    "local_mean",
    "loss_name",
    "luma",
    "needed",
    "needs_of",
    "psnr_terms",
    "reads_target",
    "relativistic_loss",
    "training_step",
    "with_pseudo_labels",
]

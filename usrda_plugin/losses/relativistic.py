"""The relativistic criterion: real images shall be found more real than the fakes beside them."""

from __future__ import annotations

from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn

from usrda_plugin.method import outdone


@LOSS_REGISTRY.register()
class USRDARelativisticLoss(nn.Module):
    """RpGAN + R1 + R2 (Huang et al., NeurIPS 2024), for ``sty_opt``, ``hr_opt`` and ``gan_opt``.

    Args:
        r1_weight: gamma of the penalty gamma / 2 |grad D|^2 at real images, for each of the critic's answers.
        r2_weight: the same at fake images.
        loss_weight: weight for the generator; a critic's loss has weight 1, as in BasicSR's GANLoss.

    Raises:
        ValueError: a penalty of negative weight.
    """

    def __init__(self, r1_weight: float = 1.0, r2_weight: float = 1.0, loss_weight: float = 1.0) -> None:
        super().__init__()
        if r1_weight < 0 or r2_weight < 0:
            raise ValueError(
                f"USRDARelativisticLoss: expected r1_weight and r2_weight of 0 or more, found {r1_weight}, {r2_weight}"
            )
        self.r1_weight = r1_weight
        self.r2_weight = r2_weight
        self.loss_weight = loss_weight

    def forward(self, winner: Tensor, loser: Tensor, is_disc: bool = False) -> Tensor:
        """The loss of answers that shall win against others of the same shape; penalties are the critic's affair."""
        loss = outdone(winner, loser)
        return loss if is_disc else self.loss_weight * loss

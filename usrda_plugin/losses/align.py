"""The criterion of feature alignment: a critic that must not know which domain it sees."""

from __future__ import annotations

from typing import Literal

from basicsr.losses.gan_loss import GANLoss
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn

UNDECIDED = 0.5


@LOSS_REGISTRY.register()
class USRDAAlignLoss(nn.Module):
    """Both domains to the undecided answer for the encoder; source to 1 and target to 0 for D_f.

    Args:
        gan_type: "lsgan" (squared distance) or "vanilla" (cross entropy on logits).
        loss_weight: weight for the encoder; a critic's loss has weight 1, as in BasicSR's GANLoss.
    """

    def __init__(self, gan_type: Literal["lsgan", "vanilla"] = "lsgan", loss_weight: float = 1.0) -> None:
        super().__init__()
        if gan_type not in ("lsgan", "vanilla"):
            raise ValueError(f"USRDAAlignLoss: expected gan_type 'lsgan' or 'vanilla', found {gan_type!r}")
        self.loss_weight = loss_weight
        self.labelled = GANLoss(gan_type)
        self.undecided = GANLoss(gan_type, real_label_val=UNDECIDED, loss_weight=loss_weight)

    def forward(self, prediction: Tensor, target_is_real: bool, is_disc: bool = False) -> Tensor:
        """The loss of answers of any shape: against their label for D_f, against 0.5 for the encoder."""
        loss: Tensor = (
            self.labelled(prediction, target_is_real, is_disc=True) if is_disc else self.undecided(prediction, True)
        )
        return loss

"""The registered criteria: alignment, relativistic pairs, and a perceptual loss that computes features once."""

from __future__ import annotations

from typing import Literal

import torch
from basicsr.losses.basic_loss import PerceptualLoss
from basicsr.losses.gan_loss import GANLoss
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor, nn

from usrda_plugin.losses.vgg import preferred_vgg
from usrda_plugin.method import relativistic_loss

UNDECIDED = 0.5
Features = dict[str, Tensor]


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
        loss = relativistic_loss(winner, loser)
        return loss if is_disc else self.loss_weight * loss


@LOSS_REGISTRY.register()
class USRDAPerceptualLoss(PerceptualLoss):
    """BasicSR's ``PerceptualLoss`` that can be given the target's features instead of the target.

    Args:
        vgg_path: VGG weights, full or features only; None: searched where ``find_vgg_weights`` says.

    The others are BasicSR's. Raises FileNotFoundError where there are no weights.
    """

    def __init__(
        self,
        layer_weights: dict[str, float],
        vgg_type: str = "vgg19",
        use_input_norm: bool = True,
        range_norm: bool = False,
        perceptual_weight: float = 1.0,
        style_weight: float = 0.0,
        criterion: Literal["l1", "fro"] = "l1",
        vgg_path: str | None = None,
    ) -> None:
        with preferred_vgg(vgg_path):
            super().__init__(
                layer_weights, vgg_type, use_input_norm, range_norm, perceptual_weight, style_weight, criterion
            )

    @torch.no_grad()
    def features(self, target: Tensor) -> Features:
        """VGG features of a target image, RGB in [0, 1], without gradient: compute once, compare often."""
        features: Features = self.vgg(target)
        return features

    def distance(self, image: Tensor, target_features: Features) -> Tensor:
        """The perceptual distance of an image (B, 3, H, W), RGB in [0, 1], to a target's features; style left out."""
        features = self.vgg(image)
        distances = (
            weight * self._compare(features[layer], target_features[layer])
            for layer, weight in self.layer_weights.items()
        )
        distance: Tensor = self.perceptual_weight * sum(distances)
        return distance

    def _compare(self, features: Tensor, target: Tensor) -> Tensor:
        distance: Tensor = (
            torch.norm(features - target, p="fro") if self.criterion is None else self.criterion(features, target)
        )
        return distance

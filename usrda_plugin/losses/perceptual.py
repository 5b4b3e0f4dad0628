"""BasicSR's perceptual loss, with VGG weights from a file and the target's features computed once."""

from __future__ import annotations

from typing import Literal

import torch
from basicsr.losses.basic_loss import PerceptualLoss
from basicsr.utils.registry import LOSS_REGISTRY
from torch import Tensor

from usrda_plugin.losses.vgg import preferred_vgg

Features = dict[str, Tensor]


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

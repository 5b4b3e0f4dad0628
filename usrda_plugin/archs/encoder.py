"""The three kinds of encoder E: an LR image to a feature map."""

from __future__ import annotations

from basicsr.archs.arch_util import pixel_unshuffle
from torch import Tensor, nn

from usrda_plugin.archs.blocks import Blocks


class ConvEncoder(nn.Module):
    """Five 3x3 convolutions, LeakyReLU between them: the public re-implementation's encoder, an 11x11 receptive field.

    (B, num_in_ch, h, w) to (B, num_feat, h, w).
    """

    shrink = 1

    def __init__(self, num_in_ch: int, num_feat: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(num_in_ch, num_feat, 3, 1, 1)]
        for _ in range(4):
            layers += [nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(num_feat, num_feat, 3, 1, 1)]
        self.conv_featmap = nn.Sequential(*layers)  # the name that checkpoints of that re-implementation have

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.conv_featmap(x)
        return features


class RRDBEncoder(nn.Module):
    """A convolution and RRDB blocks: RRDBNet's trunk up to a cut. (B, num_in_ch, h, w) to (B, num_feat, h, w)."""

    shrink = 1

    def __init__(self, num_in_ch: int, num_feat: int, num_block: int, num_grow_ch: int) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(num_in_ch, num_feat, 3, 1, 1)
        self.body = Blocks(num_block, num_feat, num_grow_ch)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.body(self.conv_first(x))
        return features


class TrunkEncoder(nn.Module):
    """The whole LR-space trunk of BasicSR's RRDBNet, with its pixel-unshuffle for the scales 1 and 2.

    (B, num_in_ch, h, w) to (B, num_feat, h / shrink, w / shrink); h and w divisible by ``shrink``.
    """

    def __init__(self, num_in_ch: int, num_feat: int, num_block: int, num_grow_ch: int, shrink: int) -> None:
        super().__init__()
        self.shrink = shrink
        self.conv_first = nn.Conv2d(num_in_ch * shrink**2, num_feat, 3, 1, 1)
        self.body = Blocks(num_block, num_feat, num_grow_ch)
        self.conv_body = nn.Conv2d(num_feat, num_feat, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        first: Tensor = self.conv_first(x if self.shrink == 1 else pixel_unshuffle(x, scale=self.shrink))
        rest: Tensor = self.conv_body(self.body(first))
        return first + rest

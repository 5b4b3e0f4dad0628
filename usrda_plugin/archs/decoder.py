"""The decoders: a feature map to an image. G_SR and G_t are the same class with different enlargement."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from usrda_plugin.archs.blocks import Blocks

# RRDBNet enlarges by nearest-neighbour steps, a convolution after each
STEPS: dict[int, tuple[int, ...]] = {1: (), 2: (2,), 3: (3,), 4: (2, 2)}


class Decoder(nn.Module):
    """Optional RRDB blocks, nearest-neighbour enlargement, two convolutions; the output is linear.

    (B, num_feat, h, w) to (B, num_out_ch, enlarge*h, enlarge*w). Layers have the names they have in BasicSR's RRDBNet.

    Args:
        num_feat: channels of the feature map.
        num_out_ch: channels of the image.
        enlarge: image size over feature map size, 1 to 4.
        num_block: RRDB blocks; with none and no ``conv_first`` the decoder is RRDBNet's upsampler alone.
        num_grow_ch: channels that each dense layer of an RRDB block adds.
        conv_first: begin with a convolution.
        noise_ch: channels of noise beside the features (needs ``conv_first``).
    """

    def __init__(
        self,
        num_feat: int,
        num_out_ch: int,
        *,
        enlarge: int,
        num_block: int,
        num_grow_ch: int,
        conv_first: bool,
        noise_ch: int = 0,
    ) -> None:
        super().__init__()
        assert conv_first or not noise_ch
        self.noise_ch = noise_ch
        self.conv_first = nn.Conv2d(num_feat + noise_ch, num_feat, 3, 1, 1) if conv_first else nn.Identity()
        self.body = Blocks(num_block, num_feat, num_grow_ch)
        self.conv_body = nn.Conv2d(num_feat, num_feat, 3, 1, 1) if num_block else None
        self.steps = STEPS[enlarge]
        self.conv_up1 = nn.Conv2d(num_feat, num_feat, 3, 1, 1) if len(self.steps) > 0 else None
        self.conv_up2 = nn.Conv2d(num_feat, num_feat, 3, 1, 1) if len(self.steps) > 1 else None
        self.conv_hr = nn.Conv2d(num_feat, num_feat, 3, 1, 1)
        self.conv_last = nn.Conv2d(num_feat, num_out_ch, 3, 1, 1)
        self.lrelu = nn.LeakyReLU(0.2, inplace=True)

    def draw_noise(self, features: Tensor) -> Tensor | None:
        """Standard normal noise (B, noise_ch, h, w) for these features; None for a decoder without noise input."""
        batch, _, height, width = features.shape
        shape = (batch, self.noise_ch, height, width)
        return torch.randn(shape, dtype=features.dtype, device=features.device) if self.noise_ch else None

    def forward(self, features: Tensor, noise: Tensor | None = None) -> Tensor:
        """The image; without ``noise`` a noise input gets zeros."""
        if self.noise_ch:
            silence = features.new_zeros(features.shape[0], self.noise_ch, *features.shape[2:])
            features = torch.cat([features, silence if noise is None else noise], dim=1)
        features = self.conv_first(features)
        if self.conv_body is not None:
            features = features + self.conv_body(self.body(features))
        for factor, conv_up in zip(self.steps, (self.conv_up1, self.conv_up2), strict=False):
            assert conv_up is not None
            features = self.lrelu(conv_up(F.interpolate(features, scale_factor=factor, mode="nearest")))
        image: Tensor = self.conv_last(self.lrelu(self.conv_hr(features)))
        return image

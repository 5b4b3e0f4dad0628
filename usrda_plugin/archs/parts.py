"""The parts of ``USRDANet``: chains of RRDB blocks, three kinds of encoder, and the decoder."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from basicsr.archs.arch_util import pixel_unshuffle
from basicsr.archs.rrdbnet_arch import RRDB, ResidualDenseBlock
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

# what is computed again: whole blocks, the dense layers' concatenated inputs, or nothing
Checkpointing = Literal["block", "concat", False]
# RRDBNet enlarges by nearest-neighbour steps, a convolution after each
STEPS: dict[int, tuple[int, ...]] = {1: (), 2: (2,), 3: (3,), 4: (2, 2)}

# ---------------------------------------------------------------------- encoders: an LR image to a feature map


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


# ---------------------------------------------------------------------- decoder: a feature map to an image


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


# ---------------------------------------------------------------------- blocks


class Blocks(nn.Sequential):
    """``num_block`` of BasicSR's RRDB blocks, (B, num_feat, h, w) to the same shape.

    ``checkpointing`` says what the backward pass computes again instead of finding it kept; values and gradients are
    the same to the last bit. "concat": the concatenations that the dense layers read, each of which repeats what the
    layers before have kept already; the memory of a block falls to a third for hardly any time. "block": all but each
    block's input; least memory, a third more time.
    """

    def __init__(self, num_block: int, num_feat: int, num_grow_ch: int) -> None:
        super().__init__(*(RRDB(num_feat=num_feat, num_grow_ch=num_grow_ch) for _ in range(num_block)))
        self.checkpointing: Checkpointing = False

    def forward(self, x: Tensor) -> Tensor:
        recomputed = self.checkpointing if torch.is_grad_enabled() else False
        for block in self:
            if recomputed == "block":
                # nothing in a block is random, and asking the device for its random state would wait for it
                x = checkpoint(block, x, use_reentrant=False, preserve_rng_state=False)
            elif recomputed == "concat":
                x = lean_rrdb(block, x)
            else:
                x = block(x)
        return x


def lean_rrdb(block: RRDB, x: Tensor) -> Tensor:
    """What ``RRDB.forward`` gives, by lean dense blocks."""
    y = x
    for dense in (block.rdb1, block.rdb2, block.rdb3):
        y = lean_dense_block(dense, y)
    return y * 0.2 + x


def lean_dense_block(dense: ResidualDenseBlock, x: Tensor) -> Tensor:
    """What ``ResidualDenseBlock.forward`` gives, with each activation kept once (Pleiss et al. 2017)."""
    made = [as_read(x)]
    for conv in (dense.conv1, dense.conv2, dense.conv3, dense.conv4):
        made.append(dense.lrelu(convolve_together(conv, made)))
    return convolve_together(dense.conv5, made) * 0.2 + x


def as_read(x: Tensor) -> Tensor:
    """``x`` in the type in which convolutions read it: under autocast, half precision."""
    kind = x.device.type
    return x.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else x


def convolve_together(conv: nn.Conv2d, parts: list[Tensor]) -> Tensor:
    """A convolution of concatenated channels that keeps the parts, which others keep too, and not the whole."""
    result: Tensor
    if len(parts) == 1:
        result = conv(parts[0])
        return result
    kept = tuple(part.detach() for part in parts)
    whole = torch.cat(parts, 1)
    with saved_tensors_hooks(partial(_as_parts, whole.data_ptr(), kept), _as_whole):
        result = conv(whole)
    return result


def _as_parts(whole: int, parts: tuple[Tensor, ...], saved: Tensor) -> Tensor | tuple[Tensor, ...]:
    return parts if saved.data_ptr() == whole else saved


def _as_whole(saved: Tensor | tuple[Tensor, ...]) -> Tensor:
    return torch.cat(saved, 1) if isinstance(saved, tuple) else saved

"""A chain of RRDB blocks that can compute again, in the backward pass, what it need not keep."""

from __future__ import annotations

from functools import partial
from typing import Literal

import torch
from basicsr.archs.rrdbnet_arch import RRDB, ResidualDenseBlock
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import checkpoint

# what is computed again: whole blocks, the dense layers' concatenated inputs, or nothing
Checkpointing = Literal["block", "concat", False]


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

"""The registered networks: ``USRDANet``, the encoder and the two decoders in one, and its critics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm as normalised

from usrda_plugin.archs.parts import ConvEncoder, Decoder, RRDBEncoder, TrunkEncoder
from usrda_plugin.method import PAPER, VIEWS, Needs, Networks, Pass, View, batched_forward_pass, forward_pass
from usrda_plugin.weights import fit_parts

EncoderKind = Literal["conv", "rrdb", "trunk"]
SCALES = (1, 2, 3, 4)
WIDEST = 8  # a critic's channels grow with each halving, up to this multiple of num_feat


@ARCH_REGISTRY.register()
class USRDANet(nn.Module):
    """E (``encoder``), G_SR (``sr_decoder``) and G_t (``lr_decoder``) of USR-DA.

    ``forward(x)`` is G_SR(E(x)), the network used at test time; ``forward(x_s, x_t, wanted)`` is a training pass.

    Args:
        scale: HR size over LR size, 1 to 4.
        encoder: where E is cut. "conv": five convolutions (the public re-implementation's encoder), the RRDB trunk
            belongs to G_SR. "rrdb": a convolution and ``num_block_encoder`` RRDB blocks, the others belong to G_SR.
            "trunk": all of RRDBNet's LR-space trunk, so that G_SR∘E is RRDBNet, bit for bit, at the scales 1, 2 and 4.
        num_in_ch: channels of an LR image.
        num_out_ch: channels of an HR image.
        num_feat: channels of a feature map.
        num_block: RRDB blocks on the way from LR to SR image, E and G_SR together.
        num_grow_ch: channels that each dense layer of an RRDB block adds.
        num_block_encoder: of these blocks, how many belong to E (encoder "rrdb" only).
        num_block_lr_decoder: RRDB blocks of G_t.
        noise_ch: channels of Gaussian noise given to G_t beside the source's features; 0 makes G_t deterministic.

    Raises:
        ValueError: scale, encoder or block counts outside what is said above.
    """

    def __init__(
        self,
        scale: int = 4,
        encoder: EncoderKind = "rrdb",
        num_in_ch: int = 3,
        num_out_ch: int = 3,
        num_feat: int = 64,
        num_block: int = 23,
        num_grow_ch: int = 32,
        num_block_encoder: int = 12,
        num_block_lr_decoder: int = 10,
        noise_ch: int = 0,
    ) -> None:
        super().__init__()
        if scale not in SCALES:
            raise ValueError(f"USRDANet: expected scale 1, 2, 3 or 4, found {scale!r}")
        if encoder == "rrdb" and not 0 <= num_block_encoder <= num_block:
            raise ValueError(
                f"USRDANet: expected num_block_encoder between 0 and num_block = {num_block}, found {num_block_encoder}"
            )
        self.scale = scale
        self.kind = encoder
        self.encoder: ConvEncoder | RRDBEncoder | TrunkEncoder
        if encoder == "conv":
            self.encoder = ConvEncoder(num_in_ch, num_feat)
        elif encoder == "rrdb":
            self.encoder = RRDBEncoder(num_in_ch, num_feat, num_block_encoder, num_grow_ch)
        elif encoder == "trunk":
            self.encoder = TrunkEncoder(num_in_ch, num_feat, num_block, num_grow_ch, shrink={1: 4, 2: 2}.get(scale, 1))
        else:
            raise ValueError(f"USRDANet: expected encoder 'conv', 'rrdb' or 'trunk', found {encoder!r}")
        shrink = self.encoder.shrink
        self.sr_decoder = Decoder(
            num_feat,
            num_out_ch,
            enlarge=scale * shrink,
            # with "trunk" all blocks are E's and G_SR is the upsampler alone
            num_block={"conv": num_block, "rrdb": num_block - num_block_encoder, "trunk": 0}[encoder],
            num_grow_ch=num_grow_ch,
            conv_first=encoder == "conv",
        )
        self.lr_decoder = Decoder(
            num_feat,
            num_in_ch,
            enlarge=shrink,
            num_block=num_block_lr_decoder,
            num_grow_ch=num_grow_ch,
            conv_first=True,
            noise_ch=noise_ch,
        )

    def forward(
        self,
        x: Tensor,
        x_t: Tensor | None = None,
        needs: Needs | None = None,
        joint: bool = False,
        x_tp: Tensor | None = None,
    ) -> Tensor | Pass:
        """Super-resolve ``x``, or, where a target batch or ``needs`` is given, make one forward pass of the training.

        Args:
            x: (B, num_in_ch, h, w), RGB in [0, 1], any size; in training the source batch x_s.
            x_t: the target batch, same shape.
            needs: the tensors that the active terms read; default: the paper's seven.
            joint: let source and target go through their networks as one batch.
            x_tp: the target batch perturbed, same shape, where it is needed.

        Returns:
            (B, num_out_ch, scale*h, scale*w), or a ``Pass``.
        """
        if x_t is None and needs is None:
            return self.super_resolve(x)
        compute = batched_forward_pass if joint else forward_pass
        return compute(self.networks, x, x_t, PAPER if needs is None else needs, x_tp)

    @property
    def networks(self) -> Networks:
        """E, G_SR, G_t, and G_t with its noise drawn."""
        noisy = self._render if self.lr_decoder.noise_ch else self.lr_decoder
        return Networks(self.encoder, self.sr_decoder, self.lr_decoder, noisy)

    def _render(self, features: Tensor) -> Tensor:
        rendering: Tensor = self.lr_decoder(features, self.lr_decoder.draw_noise(features))
        return rendering

    def super_resolve(self, x: Tensor) -> Tensor:
        """G_SR(E(x)), for images of any size: mirrored up to a multiple of E's shrinking, the excess cut off."""
        height, width = x.shape[-2:]
        excess_h, excess_w = -height % self.encoder.shrink, -width % self.encoder.shrink
        if excess_h or excess_w:
            # replicate where mirroring has too few pixels
            mode = "reflect" if min(height, width) > max(excess_h, excess_w) else "replicate"
            x = F.pad(x, (0, excess_w, 0, excess_h), mode=mode)
        y: Tensor = self.sr_decoder(self.encoder(x))
        return y[..., : height * self.scale, : width * self.scale]

    @torch.no_grad()
    def render_target_style(self, x: Tensor) -> Tensor:
        """G_t(E(x)): ``x`` as the target's camera would have taken it, (B, num_in_ch, h, w)."""
        return self._render(self.encoder(x))

    def fit_weights(
        self, content: Mapping[str, Any], param_key: str | None = "params", part: str | None = None
    ) -> dict[str, Tensor]:
        """The weights of a loaded checkpoint under the names they have here: what ``load_state_dict`` can be given.

        Takes files of USRDANet, of BasicSR's RRDBNet in each of its layouts (encoder "trunk", and "rrdb", where the
        blocks are shared out between E and G_SR; G_t keeps its own start) and of the public re-implementation (encoder
        "conv"); with ``part`` ("encoder", "sr_decoder" or "lr_decoder") only that part of any of them, or a file that
        holds the part alone.

        Raises ValueError where they do not fit, naming the keys.
        """
        what = part or f"USRDANet with encoder {self.kind!r}, scale {self.scale}"
        return fit_parts(self.state_dict(), content, param_key, part, what)


@ARCH_REGISTRY.register()
class USRDADiscriminator(nn.Module):
    """A PatchGAN critic without batch norm: any patch size, one answer per neighbourhood.

    (B, num_in_ch, H, W) to (B, 1, H / 2^num_down, W / 2^num_down); an answer is a real number, its label 0 or 1.
    Batch norm would normalise the very shift between the domains away, hence none.

    Args:
        num_in_ch: channels of what it judges: ``num_feat`` of USRDANet for D_f, 3 for D_t and D_y.
        num_feat: channels of the first layer.
        num_down: halvings of the resolution; each doubles the size of the neighbourhood judged.
        view: what it may look at: "rgb" (all), "luma", or the high band of either, "rgb_high" and "luma_high" (blur and
            noise, but hardly content; without colour noise in "luma_high").
        spectral_norm: bound the Lipschitz constant of each layer by 1.

    Raises:
        ValueError: an unknown view, or a view of luma for what is not an RGB image.
    """

    def __init__(
        self, num_in_ch: int = 3, num_feat: int = 64, num_down: int = 3, view: View = "rgb", spectral_norm: bool = False
    ) -> None:
        super().__init__()
        if view not in VIEWS:
            raise ValueError(f"USRDADiscriminator: expected view {', '.join(map(repr, VIEWS))}, found {view!r}")
        if view != "rgb" and num_in_ch != 3:
            raise ValueError(
                f"USRDADiscriminator: view {view!r} needs num_in_ch: 3 (RGB), found num_in_ch: {num_in_ch}"
            )
        self.view = None if view == "rgb" else VIEWS[view]

        def conv(in_ch: int, out_ch: int, kernel: int = 3, stride: int = 1) -> nn.Module:
            layer = nn.Conv2d(in_ch, out_ch, kernel, stride, padding=1)
            return normalised(layer) if spectral_norm else layer

        width = num_feat
        seen_ch = 1 if view in ("luma", "luma_high") else num_in_ch
        layers: list[nn.Module] = [conv(seen_ch, width), nn.LeakyReLU(0.2, True)]
        for _ in range(num_down):
            wider = min(2 * width, WIDEST * num_feat)
            layers += [conv(width, wider, kernel=4, stride=2), nn.LeakyReLU(0.2, True)]
            layers += [conv(wider, wider), nn.LeakyReLU(0.2, True)]
            width = wider
        self.layers = nn.Sequential(*layers, conv(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        answers: Tensor = self.layers(x if self.view is None else self.view(x))
        return answers

"""The critic: one fully convolutional class for D_f, D_t and D_y."""

from __future__ import annotations

from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm as normalised

from usrda_plugin.method import VIEWS, View

WIDEST = 8  # channels grow with each halving, up to this multiple of num_feat


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
        self.view = VIEWS[view]

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
        answers: Tensor = self.layers(self.view(x))
        return answers

"""What goes beyond the paper: downsampling and its low band, pseudo labels, places weighed by D_t."""

import pytest
import torch

from usrda_plugin.data.resize import bicubic_downsample
from usrda_plugin.method import Batch, Criteria, LossContext, Pass, extensions, local_mean


def x_t(side=16):
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0), dtype=torch.double)


def con(y_tt, x_t):
    criteria = Criteria(con=lambda image, target: (image - target).abs().mean())
    return extensions.con(LossContext(Pass(y_tt=y_tt), Batch(None, None, x_t), None, criteria))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_downsampling_is_matlabs_away_from_the_border(scale):
    image = torch.rand(1, 3, 12 * scale, 10 * scale)
    expected = torch.from_numpy(bicubic_downsample(image[0].permute(1, 2, 0).numpy(), scale)).permute(2, 0, 1)
    found = extensions.bicubic_downsample(image, torch.zeros(1, 3, 12, 10))[0]
    torch.testing.assert_close(found[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], rtol=0, atol=1e-6)


def test_downsampling_by_one_changes_nothing_and_half_precision_is_left():
    image = torch.rand(1, 3, 8, 8)
    assert torch.equal(extensions.bicubic_downsample(image, image), image)
    assert extensions.bicubic_downsample(image.bfloat16(), torch.zeros(1, 3, 4, 4)).dtype == torch.float32


def test_consistency_asks_neither_noise_nor_blur_but_colour():
    y_tt = torch.nn.functional.interpolate(x_t(), scale_factor=2, mode="bicubic", antialias=True)
    clean = con(y_tt, x_t())
    board = (torch.arange(16).view(-1, 1) + torch.arange(16)).remainder(2).double() - 0.5
    assert abs(con(y_tt, x_t() + 0.2 * board) - clean) < 2e-3
    blurred = torch.nn.functional.avg_pool2d(x_t(), 3, stride=1, padding=1, count_include_pad=False)
    assert con(y_tt, blurred) < 0.2 * (y_tt[..., ::2, ::2] - blurred).abs().mean()
    assert con(y_tt, x_t() + 0.1) > 0.09


def test_the_local_mean_of_a_plane_is_the_plane():
    ramp = torch.linspace(0, 1, 32, dtype=torch.double).expand(1, 1, 32, 32)
    torch.testing.assert_close(local_mean(ramp)[..., 3:-3, 3:-3], ramp[..., 3:-3, 3:-3])


def test_pseudo_labels_come_from_the_clean_image_and_carry_no_gradient():
    scale = torch.ones((), dtype=torch.double, requires_grad=True)
    batch = extensions.with_pseudo_labels(Batch(None, None, x_t(64)), lambda image: scale * image, 0.1)
    assert torch.equal(batch.y_t, x_t(64))
    assert not batch.y_t.requires_grad
    noise = batch.x_tp - x_t(64)
    assert noise.std() == pytest.approx(0.1, rel=0.05)
    assert noise.mean().abs() < 0.005

"""What a critic sees of an image."""

import torch

from usrda_plugin.method import VIEWS, high_band, luma


def test_high_band_of_a_plane_is_zero_inside():
    ramp = torch.linspace(0, 1, 32, dtype=torch.double).view(1, 1, 1, 32).expand(1, 1, 32, 32)
    assert high_band(ramp)[..., 3:-3, 3:-3].abs().max() < 1e-12


def test_high_band_keeps_a_checkerboard():
    board = (torch.arange(32).view(-1, 1) + torch.arange(32)).remainder(2).double().view(1, 1, 32, 32)
    assert (high_band(board)[..., 3:-3, 3:-3].abs() - 0.5).abs().max() < 0.02


def test_luma_high_sees_neither_brightness_nor_colour():
    image = torch.rand(2, 3, 24, 24, dtype=torch.double)
    grey = luma(image).expand(-1, 3, -1, -1)
    torch.testing.assert_close(VIEWS["luma_high"](image + 0.2), VIEWS["luma_high"](image))
    torch.testing.assert_close(VIEWS["luma_high"](grey), VIEWS["luma_high"](image))


def test_colour_noise_is_seen_in_the_high_band_of_rgb_and_not_in_that_of_luma():
    red = torch.rand(1, 1, 24, 24, dtype=torch.double)
    noise = torch.cat([red / 0.299, -red / 0.587, torch.zeros_like(red)], dim=1)
    assert VIEWS["luma_high"](noise).abs().max() < 1e-9
    assert VIEWS["rgb_high"](noise).abs().mean() > 1


def test_luma_of_grey_is_grey():
    grey = torch.rand(1, 1, 8, 8, dtype=torch.double)
    torch.testing.assert_close(luma(grey.expand(-1, 3, -1, -1)), grey)


def test_every_view_keeps_size():
    image = torch.rand(2, 3, 20, 28)
    assert {name: tuple(view(image).shape) for name, view in VIEWS.items()} == {
        "rgb": (2, 3, 20, 28), "luma": (2, 1, 20, 28), "rgb_high": (2, 3, 20, 28), "luma_high": (2, 1, 20, 28),
    }  # fmt: skip

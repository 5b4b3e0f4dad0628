"""The critic: any patch size, no batch norm, bounded where asked."""

import pytest
import torch
from torch import nn

from usrda_plugin.archs import USRDADiscriminator


@pytest.mark.parametrize("size", [(16, 16), (33, 20), (48, 64)])
def test_any_patch_size_is_judged(size):
    answers = USRDADiscriminator(3, num_feat=8, num_down=2)(torch.rand(2, 3, *size))
    assert answers.shape == (2, 1, size[0] // 4, size[1] // 4)


def test_an_answer_does_not_depend_on_the_rest_of_the_batch():
    # batch norm would: it normalises the shift between the domains away
    critic = USRDADiscriminator(3, num_feat=8).train()
    images = torch.rand(4, 3, 16, 16)
    torch.testing.assert_close(critic(images)[:1], critic(images[:1]))


def test_spectral_norm_bounds_every_layer():
    torch.manual_seed(0)
    critic = USRDADiscriminator(3, num_feat=8, spectral_norm=True).train()
    for _ in range(200):
        critic(torch.rand(1, 3, 16, 16))
    layers = [layer for layer in critic.modules() if isinstance(layer, nn.Conv2d)]
    norms = [torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2).item() for layer in layers]
    assert max(norms) < 1.02


@pytest.mark.parametrize("view", ["rgb", "luma", "rgb_high", "luma_high"])
def test_gradients_reach_the_image_through_every_view(view):
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    USRDADiscriminator(3, num_feat=8, view=view)(image).square().sum().backward()
    assert image.grad.abs().max() > 0


def test_the_high_band_view_cannot_tell_brightness():
    critic = USRDADiscriminator(3, num_feat=8, view="luma_high")
    image = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(critic(image), critic(image + 0.3))


@pytest.mark.parametrize(
    ("options", "said"), [({"view": "chroma"}, "'chroma'"), ({"view": "luma", "num_in_ch": 64}, "64")]
)
def test_impossible_views_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        USRDADiscriminator(**options)

"""What a linear classifier tells apart on images that it has not seen."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from usrda_plugin.monitoring.signals import domain_distance, feature_cells, proxy_a_distance, style_distance


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_domains_that_are_the_same_cannot_be_told_apart() -> None:
    same = drawn(0, 6, 50, 4)
    assert proxy_a_distance(same, same).item() == 0


def test_draws_of_one_distribution_are_hardly_told_apart() -> None:
    assert proxy_a_distance(drawn(0, 8, 300, 4), drawn(1, 8, 300, 4)).item() < 0.1


def test_domains_far_from_each_other_are_always_told_apart() -> None:
    assert proxy_a_distance(drawn(0, 6, 50, 4), drawn(1, 6, 50, 4) + 20).item() == 2


@pytest.mark.parametrize("shift", [0.5, 1.0, 2.0])
def test_two_normal_distributions_have_the_distance_of_the_best_classifier(shift: float) -> None:
    source, target = drawn(0, 8, 2000, 3), drawn(1, 8, 2000, 3)
    target[..., 1] += shift
    error = torch.distributions.Normal(0, 1).cdf(torch.tensor(-shift / 2)).item()
    assert proxy_a_distance(source, target).item() == pytest.approx(2 * (1 - 2 * error), abs=0.04)


def test_what_tells_the_images_and_not_the_domains_counts_for_nothing() -> None:
    """Each image has an offset of its own: a classifier that is tested on what it learnt would use it."""
    source, target = (drawn(seed, 8, 100, 30) * 0.01 + 5 * drawn(seed + 2, 8, 1, 30) for seed in (0, 1))
    learnt_by_heart = proxy_a_distance(source.repeat_interleave(2, 0), target.repeat_interleave(2, 0))
    assert learnt_by_heart.item() > proxy_a_distance(source, target).item() + 0.5


def test_a_feature_that_never_changes_and_an_odd_number_of_images_do_no_harm() -> None:
    source, target = drawn(0, 5, 40, 3), drawn(1, 5, 40, 3) + 20
    source[..., 0] = target[..., 0] = 7
    assert proxy_a_distance(source, target).item() == 2


def test_one_image_cannot_be_held_out() -> None:
    assert proxy_a_distance(drawn(0, 1, 40, 3), drawn(1, 1, 40, 3)).isnan()


def test_nan_stays_nan() -> None:
    assert proxy_a_distance(drawn(0, 4, 10, 3) * torch.nan, drawn(1, 4, 10, 3)).isnan()


def test_cells_have_the_mean_and_the_deviation_of_each_channel() -> None:
    features = drawn(0, 2, 3, 16, 24)
    cells = feature_cells(features, 8)
    assert cells.shape == (2, 6, 6)
    fifth = features[1, :, 8:, 8:16].flatten(1)
    torch.testing.assert_close(cells[1, 4], torch.cat([fifth.mean(1), fifth.std(1, correction=0)]))


@pytest.mark.parametrize("shrink", [1, 2, 4])
def test_features_that_differ_in_spread_alone_are_told_apart(shrink: int) -> None:
    side = 64 // shrink
    f_s, f_t = drawn(0, 4, 3, side, side), 4 * drawn(1, 4, 3, side, side)
    assert domain_distance(f_s, f_t, shrink).item() > 1.5
    assert domain_distance(f_s, drawn(2, 4, 3, side, side), shrink).item() < 0.5


def scenes(seed: int) -> Tensor:
    """Coarse random shapes of random contrast: content."""
    coarse = drawn(seed, 8, 3, 20, 20) * drawn(seed + 50, 8, 1, 1, 1).abs().clamp(0.2, 2)
    return 0.5 + 0.15 * F.interpolate(coarse, scale_factor=8, mode="bicubic", antialias=True)


def test_other_content_is_no_other_style_but_blur_and_noise_are() -> None:
    def taken(seed: int, noise: float = 3.0) -> Tensor:
        return scenes(seed) + noise / 255 * drawn(seed + 100, 8, 3, 160, 160)

    assert style_distance(taken(0), taken(1)).item() < 0.3
    assert style_distance(taken(0), taken(1, noise=5)).item() > 1.5
    assert style_distance(taken(0), F.avg_pool2d(taken(1), 3, stride=1, padding=1)).item() > 1.5
    assert style_distance(taken(0), taken(0)).item() == 0

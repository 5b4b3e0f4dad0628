"""Distances of two sets of vectors, by closed forms and an oracle."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import sqrtm

from usrda_plugin.evaluation.distances import a_distance, frechet_distance, gaussian_frechet


def drawn(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def covariance(seed: int, size: int) -> np.ndarray:
    root = drawn(seed, size, size)
    return root @ root.T


# Frechet


def test_the_frechet_distance_of_two_normal_distributions_on_a_line() -> None:
    found = gaussian_frechet(np.array([1.0]), np.array([[4.0]]), np.array([4.0]), np.array([[25.0]]))
    assert found == pytest.approx((4 - 1) ** 2 + (5 - 2) ** 2)


def test_independent_features_add_up() -> None:
    means, deviations = drawn(0, 2, 5), np.abs(drawn(1, 2, 5))
    expected = np.square(means[0] - means[1]).sum() + np.square(deviations[0] - deviations[1]).sum()
    found = gaussian_frechet(means[0], np.diag(deviations[0] ** 2), means[1], np.diag(deviations[1] ** 2))
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_it_is_that_of_the_matrix_square_root(seed: int) -> None:
    first, second = covariance(seed, 6), covariance(seed + 10, 6)
    expected = np.trace(first + second - 2 * sqrtm(first @ second)).real
    zero = np.zeros(6)
    assert gaussian_frechet(zero, first, zero, second) == pytest.approx(expected)
    assert gaussian_frechet(zero, second, zero, first) == pytest.approx(expected)
    assert gaussian_frechet(zero, first, zero, first) == pytest.approx(0, abs=1e-9)


def test_a_shift_of_every_feature_by_its_deviation_is_1_in_whatever_units() -> None:
    source = drawn(0, 10, 30, 4) * (1, 1e-6, 1e3, 50) + (0, 5, -1e4, 3)
    target = source + source.reshape(-1, 4).std(0)
    assert frechet_distance(source, target) == pytest.approx(1)
    assert frechet_distance(source, source) == pytest.approx(0, abs=1e-9)


def test_a_feature_that_never_changes_does_no_harm() -> None:
    source, target = drawn(0, 10, 30, 3), drawn(1, 10, 30, 3)
    source[..., 0] = target[..., 0] = 7
    assert frechet_distance(source, target) < 0.05


# A-distance


def test_halves_of_one_set_have_next_to_no_a_distance_and_the_same_photographs_none() -> None:
    photographs = drawn(0, 40, 50, 5)
    assert a_distance(photographs, photographs) == 0
    assert a_distance(photographs[::2], photographs[1::2]) < 0.1


def test_separable_domains_have_2() -> None:
    assert a_distance(drawn(0, 6, 40, 5), drawn(1, 6, 40, 5) + 20) == 2


def test_the_larger_domain_does_not_make_the_classifier_say_larger() -> None:
    assert a_distance(drawn(0, 64, 40, 5), drawn(1, 6, 40, 5)) < 0.3
    assert a_distance(drawn(0, 6, 40, 5), drawn(1, 64, 40, 5) + 20) == 2


def test_what_tells_photographs_and_not_domains_apart_counts_for_nothing() -> None:
    """Each photograph has an offset of its own, which a classifier would learn if it saw parts of the ones tested."""
    source, target = (5 * drawn(seed, 12, 1, 30) + 0.01 * drawn(seed + 2, 12, 60, 30) for seed in (0, 1))
    by_patch = a_distance(*(rows.swapaxes(0, 1) for rows in (source, target)))
    assert by_patch > a_distance(source, target) + 0.5


def test_the_photographs_of_a_burst_lie_in_one_half() -> None:
    """Neighbours in the list are the same scene: whoever learns on one and is tested on the other knows it by heart."""
    source, target = (
        5 * drawn(seed, 6, 1, 30).repeat(2, axis=0) + 0.01 * drawn(seed + 2, 12, 60, 30) for seed in (0, 1)
    )
    apart = a_distance(*(np.concatenate([rows[::2], rows[1::2]]) for rows in (source, target)))
    assert apart > a_distance(source, target) + 0.5


@pytest.mark.parametrize("count", [1, 7])
def test_one_photograph_cannot_be_held_out(count: int) -> None:
    assert np.isnan(a_distance(drawn(0, 1, 40, 3), drawn(1, count, 40, 3)))

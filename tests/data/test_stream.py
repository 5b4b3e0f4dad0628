from __future__ import annotations

import numpy as np
import pytest
from basicsr.data.data_sampler import EnlargedSampler
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from usrda_plugin.data.stream import StreamSampler, draws

IMAGES = range(12)


def numbers(world_size: int, rank: int, epoch: int, ratio: float = 1) -> list[int]:
    sampler = StreamSampler(IMAGES, world_size, rank, ratio)
    sampler.set_epoch(epoch)
    return list(sampler)


@given(st.integers(1, 7), st.integers(0, 5), st.integers(1, 4))
def test_ranks_share_no_number_and_together_count_through_the_epoch(world_size: int, epoch: int, ratio: int) -> None:
    ranks = [numbers(world_size, rank, epoch, ratio) for rank in range(world_size)]
    total = sum(len(rank) for rank in ranks)
    assert sorted(number for rank in ranks for number in rank) == list(range(epoch * total, (epoch + 1) * total))


def test_a_global_batch_holds_the_same_samples_however_many_ranks_share_it() -> None:
    alone = numbers(1, 0, epoch=3)
    shared = [numbers(3, rank, epoch=3) for rank in range(3)]
    assert [sorted(alone[i : i + 6]) for i in (0, 6)] == [
        sorted(n for r in shared for n in r[i : i + 2]) for i in (0, 2)
    ]


def test_no_number_comes_back_in_a_later_epoch() -> None:
    epochs = [number for epoch in range(4) for number in numbers(2, 1, epoch)]
    assert len(set(epochs)) == len(epochs)


@pytest.mark.parametrize(("world_size", "ratio"), [(1, 1), (5, 1), (2, 3), (1, 0.3)])
def test_an_epoch_is_as_long_as_with_the_sampler_of_basicsr(world_size: int, ratio: float) -> None:
    ours, theirs = StreamSampler(IMAGES, world_size, 0, ratio), EnlargedSampler(IMAGES, world_size, 0, ratio)
    assert len(ours) == len(list(ours)) == len(theirs)
    assert ours.total_size == theirs.total_size


def test_a_rank_outside_the_world_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[0, 2\), found 2"):
        StreamSampler(IMAGES, 2, 2)


def test_the_same_seed_and_number_draw_the_same_and_any_other_draws_otherwise() -> None:
    first = draws(3, 14).random(4)
    np.testing.assert_array_equal(draws(3, 14).random(4), first)
    others = [draws(*key).random(4) for key in ((14, 3), (3, 15), (4, 14), (0, 0))]
    assert all(not np.isin(first, other).any() for other in others)


def test_draws_of_successive_numbers_are_uniform_and_unrelated() -> None:
    drawn = np.array([draws(0, number).integers(10, size=2) for number in range(4000)])
    assert chisquare(np.bincount(drawn[:, 0], minlength=10)).pvalue > 1e-3
    within = drawn[:, 0] * 10 + drawn[:, 1]
    following = drawn[:-1, 0] * 10 + drawn[1:, 0]
    assert chisquare(np.bincount(within, minlength=100)).pvalue > 1e-3
    assert chisquare(np.bincount(following, minlength=100)).pvalue > 1e-3

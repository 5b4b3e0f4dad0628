from __future__ import annotations

import numpy as np
import pytest
from basicsr.data.data_sampler import EnlargedSampler
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from usrda_plugin.data.sampler import StreamSampler, sample_rng

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


@given(st.integers(1, 7), st.integers(1, 5), st.integers(0, 5), st.integers(1, 4))
def test_the_batches_of_all_ranks_together_are_those_of_one_process_with_the_whole_batch(
    world_size: int, batch: int, epoch: int, ratio: int
) -> None:
    images = range(12 * world_size)  # so that an epoch is as long for one process as for all
    streams = [StreamSampler(images, world_size, rank, ratio) for rank in range(world_size)]
    alone = StreamSampler(images, 1, 0, ratio)
    for stream in (*streams, alone):
        stream.set_epoch(epoch)
    ranks, whole = [list(stream) for stream in streams], list(alone)
    for start in range(0, len(streams[0]), batch):
        together = {number for rank in ranks for number in rank[start : start + batch]}
        assert together == set(whole[start * world_size : (start + batch) * world_size])


@given(st.integers(1, 7), st.floats(0.3, 4))
def test_no_number_comes_back_in_another_rank_or_a_later_epoch(world_size: int, ratio: float) -> None:
    all_numbers = [
        n for epoch in range(4) for rank in range(world_size) for n in numbers(world_size, rank, epoch, ratio)
    ]
    assert len(set(all_numbers)) == len(all_numbers)


@pytest.mark.parametrize(("world_size", "ratio"), [(1, 1), (5, 1), (2, 3), (1, 0.3)])
def test_an_epoch_is_as_long_as_with_the_sampler_of_basicsr(world_size: int, ratio: float) -> None:
    ours, theirs = StreamSampler(IMAGES, world_size, 0, ratio), EnlargedSampler(IMAGES, world_size, 0, ratio)
    assert len(ours) == len(list(ours)) == len(theirs)
    assert ours.total_size == theirs.total_size


def test_a_rank_outside_the_world_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\[0, 2\), found 2"):
        StreamSampler(IMAGES, 2, 2)


def test_the_same_seed_and_number_draw_the_same_and_any_other_draws_otherwise() -> None:
    first = sample_rng(3, 14).random(4)
    np.testing.assert_array_equal(sample_rng(3, 14).random(4), first)
    others = [sample_rng(*key).random(4) for key in ((14, 3), (3, 15), (4, 14), (0, 0))]
    assert all(not np.isin(first, other).any() for other in others)


def test_draws_of_successive_numbers_are_uniform_and_unrelated() -> None:
    drawn = np.array([sample_rng(0, number).integers(10, size=2) for number in range(4000)])
    assert chisquare(np.bincount(drawn[:, 0], minlength=10)).pvalue > 1e-3
    within = drawn[:, 0] * 10 + drawn[:, 1]
    following = drawn[:-1, 0] * 10 + drawn[1:, 0]
    assert chisquare(np.bincount(within, minlength=100)).pvalue > 1e-3
    assert chisquare(np.bincount(following, minlength=100)).pvalue > 1e-3

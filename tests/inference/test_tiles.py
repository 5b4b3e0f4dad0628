"""Tiles cover an image once, overlap enough, begin where folding begins, and have one shape."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usrda_plugin.inference import Grid, plan_grid
from usrda_plugin.inference.tiles import Size, Span, square_grid


def check_axis(spans: tuple[Span, ...], length: int, overlap: int, step: int) -> None:
    assert len({span.stop - span.start for span in spans}) == 1
    assert all(span.start % step == 0 for span in spans)
    assert [span.keep_start for span in spans] == [0, *(span.keep_stop for span in spans[:-1])]
    assert (spans[0].start, spans[-1].stop, spans[-1].keep_stop) == (0, length, length)
    for span in spans:
        assert span.keep_start < span.keep_stop
        assert span.start == 0 or span.keep_start - span.start >= overlap
        assert span.stop == length or span.stop - span.keep_stop >= overlap


@settings(max_examples=200, deadline=None)
@given(
    height=st.integers(1, 700),
    width=st.integers(1, 3000),
    area=st.integers(1, 300_000),
    overlap=st.integers(0, 60),
    step=st.sampled_from([1, 2, 4, 16]),
)
def test_every_plan_is_sound(height: int, width: int, area: int, overlap: int, step: int) -> None:
    grid = plan_grid(Size(height, width), area, overlap, step)
    if grid is None:
        assert area < min(height, 2 * overlap + 3 * step) * min(width, 2 * overlap + 3 * step)
        return
    assert grid.area <= area
    check_axis(grid.rows, height, overlap, step)
    check_axis(grid.cols, width, overlap, step)
    assert len(list(grid)) == len(grid)


@given(
    side=st.integers(1, 500), length=st.integers(1, 2000), overlap=st.integers(0, 100), step=st.sampled_from([1, 4, 16])
)
def test_square_tiles_are_no_larger_than_asked(side: int, length: int, overlap: int, step: int) -> None:
    grid = square_grid(Size(length, 40), side, overlap, step)
    if grid is None:
        assert side < max(40, min(length, 2 * overlap + 3 * step))
        return
    assert max(grid.shape) <= side
    check_axis(grid.rows, length, overlap, step)


def test_an_image_that_fits_is_one_tile() -> None:
    assert plan_grid(Size(200, 300), 60_000, 16) == Grid((Span(0, 200, 0, 200),), (Span(0, 300, 0, 300),))


def test_the_plan_computes_the_least() -> None:
    """Strips as wide as the image overlap in one direction only."""
    grid = plan_grid(Size(1024, 256), 256 * 288, 16)
    assert grid is not None
    assert (len(grid.rows), len(grid.cols)) == (4, 1)
    # the border of the image needs no overlap: 1024 + 3 * 2 * 16 rows in all
    assert grid.shape == (280, 256)


@pytest.mark.parametrize("overlap", [16, 349])
def test_where_overlap_leaves_nothing_there_is_no_plan(overlap: int) -> None:
    assert square_grid(Size(2000, 2000), 2 * overlap, overlap) is None
    assert plan_grid(Size(2000, 2000), (2 * overlap) ** 2, overlap) is None

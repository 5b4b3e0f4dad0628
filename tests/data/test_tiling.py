from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usrda_plugin.data.images import partner_stems
from usrda_plugin.data.lmdb import TilingSpec


def numbered(height: int, width: int) -> np.ndarray:
    """An image whose pixels are all different."""
    return np.arange(height * width).reshape(height, width, 1)


@st.composite
def tilings(draw: st.DrawFn) -> TilingSpec:
    crop = draw(st.integers(1, 20))
    return TilingSpec(crop, draw(st.none() | st.integers(1, crop)))


@given(st.integers(1, 40), st.integers(1, 40), tilings())
def test_tiles_cover_every_pixel_and_none_is_smaller_than_it_must_be(
    height: int, width: int, tiling: TilingSpec
) -> None:
    assert tiling.crop is not None
    cut = dict(tiling.tiles(numbered(height, width)))
    assert {n for tile in cut.values() for n in tile.ravel()} == set(range(height * width))
    assert {tile.shape[:2] for tile in cut.values()} == {(min(height, tiling.crop), min(width, tiling.crop))}


@given(st.integers(20, 40), st.integers(20, 40), tilings())
def test_every_patch_up_to_the_largest_lies_whole_in_some_tile(height: int, width: int, tiling: TilingSpec) -> None:
    def patches(image: np.ndarray) -> set[int]:
        """The first pixels of all patches inside an image."""
        size = tiling.largest_patch
        return set(image[: image.shape[0] - size + 1, : image.shape[1] - size + 1].ravel().tolist())

    image = numbered(height, width)
    assert patches(image) == {n for _, tile in tiling.tiles(image) for n in patches(tile)}


def test_a_larger_patch_may_be_lost() -> None:
    tiling = TilingSpec(crop=12, step=8)
    tops = {top for _, tile in tiling.tiles(numbered(36, 12)) for top in (tile[:7, 0, 0] // 12).tolist()}
    assert tiling.largest_patch == 5
    assert 7 not in tops  # rows 7 to 12 lie in no tile together: a patch of 6


def test_the_step_is_half_the_crop_as_basicsrs_sub_images_have_it() -> None:
    assert TilingSpec(crop=480).stride == 240
    assert [TilingSpec(crop=480, step=240).largest_patch, TilingSpec(crop=480, step=480).largest_patch] == [241, 1]
    assert TilingSpec(crop=12, multiple=4).stride == 4


def test_an_image_that_fits_stays_whole_and_keeps_its_name() -> None:
    for tiling in (TilingSpec(), TilingSpec(crop=9)):
        [(suffix, tile)] = tiling.tiles(numbered(9, 7))
        assert suffix == ""
        np.testing.assert_array_equal(tile, numbered(9, 7))


def test_the_remainder_to_a_multiple_falls_off_at_the_right_and_the_bottom() -> None:
    [(_, tile)] = TilingSpec(multiple=4).tiles(numbered(11, 9))
    np.testing.assert_array_equal(tile, numbered(11, 9)[:8, :8])


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ({"crop": 0}, "crop must be at least 1 pixel, found 0"),
        ({"crop": 8, "step": -1}, "step must be at least 1 pixel, found -1"),
        ({"multiple": 0}, "multiple must be at least 1 pixel, found 0"),
        ({"crop": 8, "multiple": 0}, "multiple must be at least 1 pixel, found 0"),
        ({"crop": 8, "step": 9}, "must not exceed crop, 8, .* found 9"),
        ({"step": 8}, "found step 8 without crop"),
        ({"crop": 10, "multiple": 4}, "crop must be divisible by multiple, 4, found 10"),
        ({"crop": 8, "step": 6, "multiple": 4}, "step must be divisible by multiple, 4, found 6"),
    ],
)
def test_lengths_that_do_not_go_together_are_refused(lengths: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TilingSpec(**lengths)  # type: ignore[arg-type]


@pytest.mark.parametrize(("step", "least", "most"), [(240, 1, 2), (480, 0, 1)])
def test_overlapping_tiles_leave_no_place_out_and_favour_none_more_than_twice(step: int, least: int, most: int) -> None:
    """Along one side of a 2K photograph: in how many tiles each place for a patch of 128 and its surroundings lies."""
    room, length = 144, 1404
    tiles = [tile.ravel() for _, tile in TilingSpec(crop=480, step=step).tiles(numbered(length, 1))]
    firsts = np.concatenate([tile[: 480 - room + 1] for tile in tiles[:-1]])  # the last tile overlaps as it must
    times = np.bincount(firsts, minlength=length)[: tiles[-1][0]]
    assert (times.min(), times.max()) == (least, most)


@pytest.mark.parametrize(
    ("stem", "template", "expected"),
    [
        ("a", "{}x2", ["ax2"]),
        ("a_s001", "{}x2", ["a_s001x2", "ax2_s001"]),
        ("a_s1000", "{}x2", ["a_s1000x2", "ax2_s1000"]),
        ("a_s001_s012", "{}x2", ["a_s001_s012x2", "a_s001x2_s012", "ax2_s001_s012"]),
        ("a_s1", "{}x2", ["a_s1x2"]),  # no number that tiles get
        ("a_s001_b", "{}x2", ["a_s001_bx2"]),
    ],
)
def test_a_template_is_applied_to_the_whole_name_and_before_tile_numbers(
    stem: str, template: str, expected: list[str]
) -> None:
    assert partner_stems(stem, template) == expected

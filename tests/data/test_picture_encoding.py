from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from usrda_plugin.choices import Encoding
from usrda_plugin.data.pictures import ENCODINGS, decode_colour, encode_colour, uncompressed

Noise = Callable[..., np.ndarray]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("levels", [np.uint8, np.uint16])
def test_what_is_encoded_comes_back(encoding: Encoding, levels: type) -> None:
    image = np.random.default_rng(0).integers(0, np.iinfo(levels).max, (7, 5, 3), endpoint=True).astype(levels)
    # also a patch of a larger image, whose rows do not follow one another
    for part in (image, image[1:6, 2:4]):
        found = decode_colour(encode_colour(part, encoding), "here")
        assert found.dtype == levels
        np.testing.assert_array_equal(found, part)


@pytest.mark.parametrize("levels", [np.uint8, np.uint16])
def test_an_uncompressed_file_is_seen_where_it_lies(levels: type) -> None:
    image = np.random.default_rng(0).integers(0, np.iinfo(levels).max, (7, 5, 3), endpoint=True).astype(levels)
    content = encode_colour(image, "ppm")
    seen = uncompressed(content)
    assert seen is not None
    np.testing.assert_array_equal(seen, image)
    assert np.shares_memory(seen, np.frombuffer(content, np.uint8))
    assert not seen.flags.writeable


def test_levels_that_look_like_the_header_do_no_harm() -> None:
    image = np.frombuffer(b"\n P6\n# 9\t", np.uint8).reshape(1, 3, 3)
    seen = uncompressed(encode_colour(image, "ppm"))
    assert seen is not None
    np.testing.assert_array_equal(seen, image)


def test_other_formats_and_rarer_kinds_are_left_to_the_decoder(noise: Noise) -> None:
    image = noise(4, 4)
    pixels = image.tobytes()
    for header in (b"P6\n# a comment\n4 4\n255\n", b"P6 \n4 4\n255\n"):
        assert uncompressed(header + pixels) is None
        np.testing.assert_array_equal(decode_colour(header + pixels, "here"), image)
    for content in (b"", encode_colour(image, "png"), b"P5\n4 4\n255\n" + pixels, b"P6\n4 4\n100\n" + pixels):
        assert uncompressed(content) is None


def test_a_file_that_is_cut_off_is_an_error_and_no_view(noise: Noise) -> None:
    content = encode_colour(noise(4, 4), "ppm")
    for length in (len(content) - 1, 20, 5, 0):
        assert uncompressed(content[:length]) is None
        with pytest.raises(ValueError, match="here: expected an image"):
            decode_colour(content[:length], "here")

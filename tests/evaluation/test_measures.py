"""The measures: closed forms, and changes of a source that are known and grow stronger."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.tiles import Change, add_noise, blur, cast, crops, jpeg, statistics
from usrda_plugin.archs.opening import open_network
from usrda_plugin.evaluation.encoders import encoder_of
from usrda_plugin.evaluation.gap import compare
from usrda_plugin.evaluation.measures import CONTENT, FINE, ROWS, Row, colour_cast, noise, sharpness, slope
from usrda_plugin.evaluation.statistics import Statistics, joined, photograph_statistics

PRETRAINED = Path(__file__).parents[2] / "pretrained" / "usrda_source_only_x2.pth"
MEASURES = {row.name: row for row in ROWS}
STRENGTHS: dict[str, tuple[Change, tuple[float, ...]]] = {
    "blur": (blur, (0, 0.4, 0.5, 0.6, 0.8)),
    "noise": (add_noise, (0, 1, 2, 4, 8, 16)),
    "JPEG": (jpeg, (0, 10, 30, 60, 80)),
    "colour cast": (cast, (0, 4, 8, 16, 32, 64)),
}


def made(count: int = 8, **changes: np.ndarray) -> Statistics:
    """Statistics of photographs that differ in nothing, but for changes."""
    rows = {
        "noise": np.zeros(count),
        "spectrum": np.tile(1e4 / np.arange(1, 17) ** 2, (count, 1)),
        "blocks": np.zeros(count),
        "colour": np.full((count, 3), 128.0),
        "saturation": np.zeros(count),
        "squares": np.random.default_rng(0).standard_normal((count, 4, 2)),
    }
    return Statistics(**{**rows, **changes})


@pytest.fixture(scope="module")
def source(tiles: list[np.ndarray]) -> Statistics:
    return statistics(tiles[::2])


# what is asked of all of them: a stronger change, a larger gap


@pytest.mark.parametrize(
    ("change", "relevant"),
    [
        ("blur", {"sharpness": -1, "slope": -1}),
        ("noise", {"noise": 1}),
        ("JPEG", {"blocks": 1}),
        ("colour cast", {"colour": 1, "saturation": 1}),
    ],
)
def test_the_stronger_a_known_change_the_larger_the_gap(
    change: str, relevant: dict[str, int], source: Statistics, tiles: list[np.ndarray]
) -> None:
    """The target shows other tiles than the source does."""
    make, strengths = STRENGTHS[change]
    targets = [statistics(tiles[1::2], make, strength) for strength in strengths]
    for name, sign in {**relevant, "a_distance": 1, "frechet": 1}.items():
        assert_rises(name, [sign * MEASURES[name].of(source, target) for target in targets])


@pytest.mark.slow
def test_so_do_the_distances_of_an_encoders_features(tiles: list[np.ndarray]) -> None:
    encode = encoder_of(open_network(PRETRAINED))

    def seen(which: slice, make: Change = blur, strength: float = 0) -> Statistics:
        return joined([photograph_statistics(crops(make(tile, strength))[:1], encode) for tile in tiles[which]])

    source = seen(slice(0, None, 2))
    for make, strengths in ((blur, (0, 0.6, 0.8, 1.2)), (add_noise, (0, 4, 8, 16))):
        targets = [seen(slice(1, None, 2), make, strength) for strength in strengths]
        for name in ("a_distance_features", "frechet_features"):
            assert_rises(name, [MEASURES[name].of(source, target) for target in targets])


def assert_rises(name: str, values: list[float]) -> None:
    """Each value is above the last; but an A-distance stays 0 as long as the classifier guesses."""
    above = [value for value in values if value] if name.startswith("a_distance") else values
    assert values == [0] * (len(values) - len(above)) + sorted(set(above)), name
    assert len(above) >= 3, name


@pytest.mark.parametrize("row", [row for row in ROWS if not row.name.endswith("features")], ids=lambda row: row.name)
def test_the_same_photographs_have_no_gap(row: Row, source: Statistics) -> None:
    assert row.of(source, source) == pytest.approx(0, abs=1e-9)


# each by its closed form


def test_noise_is_that_of_the_quieter_half() -> None:
    assert noise(made(noise=np.array([9, 1, 9, 9, 2, 3, 2.0, 9]))) == 2
    assert noise(made(1, noise=np.array([3.0]))) == 3


def test_half_of_the_contrast_of_fine_detail_is_minus_50_percent() -> None:
    spectrum = made().spectrum.copy()
    spectrum[:, FINE] /= 4
    assert sharpness(made(), made(spectrum=spectrum)) == pytest.approx(-50)
    assert sharpness(made(spectrum=spectrum), made()) == pytest.approx(100)


def test_contrast_and_noise_are_no_sharpness() -> None:
    assert sharpness(made(), made(spectrum=9 * made().spectrum)) == pytest.approx(0)
    noisy = made(spectrum=made().spectrum + 25, noise=np.full(8, 5.0))
    assert sharpness(made(), noisy) == pytest.approx(0)
    assert CONTENT.stop <= FINE.start


@pytest.mark.parametrize("exponent", [1, 2, 3])
def test_the_slope_is_that_of_a_power_law(exponent: int) -> None:
    spectrum = 1e9 / np.arange(1.0, 17) ** exponent
    expected = -10 * exponent * np.log10(2)
    assert slope(made(spectrum=np.tile(spectrum, (8, 1)))) == pytest.approx(expected, abs=1e-3)


def test_a_cast_is_a_shift_of_chroma_and_brighter_is_none() -> None:
    brighter = made(colour=np.full((8, 3), 150.0))
    assert colour_cast(made(), brighter) == pytest.approx(0, abs=1e-9)
    assert MEASURES["brightness"].of(made(), brighter) == pytest.approx(22)
    redder = made(colour=np.tile([138.0, 128, 128], (8, 1)))
    assert colour_cast(made(), redder) == pytest.approx(10 * np.hypot(0.299 / 1.772, 0.701 / 1.402))


def test_sentences_say_the_direction() -> None:
    assert "is noisier by 1.50 of 255 levels" in MEASURES["noise"].sentence(1.5)
    assert "is softer by 43 %" in MEASURES["sharpness"].sentence(-43.2)
    assert "right on 75 %" in MEASURES["a_distance"].sentence(1.0)


# interval and chance


def test_interval_and_chance_are_those_of_means_of_normal_numbers() -> None:
    """Means of n numbers of deviation 10: their difference has the deviation 10 sqrt(2 / n)."""
    rng, count = np.random.default_rng(1), 60
    grays = [np.repeat(128 + 10 * rng.standard_normal((count, 1)), 3, axis=1) for _ in range(2)]
    domains = [made(count, colour=gray) for gray in grays]
    found = {measure.name: measure for measure in compare(*domains)}["brightness"]
    deviation = 10 * np.sqrt(2 / count)
    assert found.value is not None
    assert found.interval is not None
    assert found.chance == pytest.approx(2.576 * deviation, rel=0.25)
    assert found.interval[1] - found.interval[0] == pytest.approx(2 * 1.96 * deviation, rel=0.25)
    assert sum(found.interval) / 2 == pytest.approx(found.value)


def test_a_gap_that_chance_makes_is_called_alike_and_a_real_one_is_not(
    source: Statistics, tiles: list[np.ndarray]
) -> None:
    source = source.take(range(16))
    same = {measure.name: measure for measure in compare(source, statistics(tiles[1:32:2]))}
    for measure in same.values():
        assert measure.interval is not None
        assert measure.span[0] <= measure.interval[0] <= measure.interval[1] <= measure.span[1]
    assert [name for name, measure in same.items() if measure.differs] == []
    assert all(measure.sentence.startswith("alike") for measure in same.values())
    noisy = {measure.name: measure for measure in compare(source, statistics(tiles[1:32:2], add_noise, 4))}
    assert {name for name, measure in noisy.items() if measure.differs} == {"a_distance", "frechet", "noise"}


@pytest.mark.parametrize("counts", [(1, 1), (1, 9), (9, 1)])
def test_what_one_photograph_cannot_tell_is_not_defined(counts: tuple[int, int], source: Statistics) -> None:
    found = compare(source.take(range(counts[0])), source.take(range(counts[1])))
    by_name = {measure.name: measure for measure in found}
    assert by_name["a_distance"].value is None
    assert by_name["frechet"].value is None
    assert by_name["frechet"].sentence == (
        f"not defined: it needs 2 photographs of each, found {counts[0]} and {counts[1]}"
    )
    assert by_name["noise"].value is not None
    assert all(measure.chance is None and measure.interval is None for measure in found)
    assert "may be their content" in by_name["noise"].sentence


def test_features_are_compared_where_both_have_them(source: Statistics) -> None:
    source = source.take(range(3))
    with_features = replace(source, features=source.squares)
    assert {measure.name for measure in compare(with_features, with_features)} == set(MEASURES)
    assert {measure.name for measure in compare(source, with_features)} == {
        name for name in MEASURES if not name.endswith("features")
    }
